"""Where a behaviour is played: nodes, workers and clients of one app, in memory or on real servers."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from actors import App
from runtime import Client, Settings, connect, run_node, run_worker
from tests.behaviours.modes import PLAIN, Count, Mode, MortalWorld, RepeatingBroker
from tests.integration.runtime import audit as of_servers
from tests.integration.runtime.crew_app import settings_for
from tests.migrated import declare
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.world import Hosted, World, simulate
from tests.waiting import wait_until

PARTITIONS = 4  # on real servers

Story = Callable[["Place"], Awaitable[None]]


class Place(ABC):
    """One installation. What it has running is stopped, and the log audited, when the story is over."""

    deletes = False  # a story that deletes instances says so
    repeats = False  # whether messages come twice, and so may tasks be run
    calm = True  # under no mode: a story may do thousands of steps

    def __init__(self, app: App) -> None:
        self.app = app

    @abstractmethod
    async def node(self, app: App | None = None) -> Any:
        """Start a node, of another version of the app if need be; gives what `stop` and `kill` take."""

    @abstractmethod
    async def worker(self, app: App | None = None) -> Any:
        """Start a worker."""

    @abstractmethod
    async def client(self) -> Client:
        """Open a client; closed at the end."""

    @abstractmethod
    async def stop(self, process: Any) -> None:
        """Stop a node or a worker in order."""

    @abstractmethod
    async def kill(self, process: Any) -> None:
        """End a node or a worker as it stands: it hands nothing over."""

    @abstractmethod
    async def log(self, stream: str) -> list[tuple[str, Any]]:
        """Read a stream as an outsider: its events' types and data."""

    @abstractmethod
    async def all_types(self) -> dict[str, list[str]]:
        """Give the types of the events of every stream."""

    @abstractmethod
    async def until(self, predicate: Callable[[], Any], what: str = "") -> Any:
        """Wait until a predicate, plain or async, gives something true, and give that; fail after 20 s."""

    @abstractmethod
    def now(self) -> datetime:
        """Give the database's time, or on servers this machine's, which is the same machine."""

    @abstractmethod
    async def waiting(self) -> int:
        """Count the outbox's rows."""

    @abstractmethod
    async def forget_waiting(self) -> None:
        """Delete the outbox's rows: the story ends before they are due."""

    async def types(self, stream: str) -> list[str]:
        """Give the types of a stream's events."""
        return [type for type, _ in await self.log(stream)]

    async def has(self, stream: str, type: str) -> bool:
        """Say whether a stream has an event of a type."""
        return type in await self.types(stream)


class MemoryPlace(Place):
    """The memory store and transport, in virtual time; under a mode, or as it is."""

    def __init__(self, world: World, clients: AsyncExitStack, mode: Mode = PLAIN) -> None:
        super().__init__(world.app)
        self.world, self._clients = world, clients
        self.repeats, self.calm = bool(mode.copies), mode == PLAIN
        self._seconds = 200 if mode.dies else 20

    async def node(self, app: App | None = None) -> Hosted:
        return self.world.node(app=app)

    async def worker(self, app: App | None = None) -> Hosted:
        return self.world.worker(app=app)

    async def client(self) -> Client:
        return await self._clients.enter_async_context(self.world.client())

    async def stop(self, process: Hosted) -> None:
        await self._there(process).stop()

    async def kill(self, process: Hosted) -> None:
        self._there(process).die()

    async def log(self, stream: str) -> list[tuple[str, Any]]:
        return log_of(self.world, stream)

    async def all_types(self) -> dict[str, list[str]]:
        streams = self.world.store.log.streams
        return {name: [event.type for event in stream.events] for name, stream in streams.items()}

    async def until(self, predicate: Callable[[], Any], what: str = "") -> Any:
        return await self.world.until(predicate, seconds=self._seconds, what=what)

    def now(self) -> datetime:
        return self.world.now()

    async def waiting(self) -> int:
        return sum(len(partition.outbox) for partition in self.world.store.log.partitions)

    async def forget_waiting(self) -> None:
        for partition in self.world.store.log.partitions:
            partition.outbox.clear()

    async def finish(self) -> None:
        """Stop all, and look that nothing is left undone."""
        world = self.world
        await world.until(lambda: not any(p.outbox for p in world.store.log.partitions), what="an empty outbox")
        if isinstance(world.broker, RepeatingBroker):
            broker = world.broker
            await world.until(lambda: not broker.under_way and not _in_hand(world), what="the last copy")
        if isinstance(world, MortalWorld):
            world.over = True
            await world.until(lambda: set(world.owners()) <= {None, *_living(world)}, what="the leases of the dead end")
        await world.stop_all()
        audit_log(world.store, self.app)
        audit_rest(world.store, world.broker, self.app.task_queues, ended=False)

    def _there(self, process: Hosted) -> Hosted:
        """Find who is there in a process's place, and let it live until the story ends it."""
        if not isinstance(self.world, MortalWorld):
            return process
        there = self.world.heir(process)
        self.world.spared.add(there)
        return there


def log_of(world: World, stream: str) -> list[tuple[str, Any]]:
    """Give the types and the data of a stream's events."""
    kept = world.store.log.streams.get(stream)
    return [] if kept is None else [(event.type, msgspec.json.decode(event.data)) for event in kept.events]


def _in_hand(world: World) -> bool:
    """Whether somebody has messages that he has not acknowledged."""
    subscriptions = [each for process in world.processes for each in process.transport._subscriptions]
    return any(subscription._unacked for subscription in subscriptions)


def _living(world: World) -> list[str]:
    return [process.name for process in world.processes if not process.dead and not process.main.done()]


class ServerPlace(Place):
    """Real servers; nodes and workers run in this process."""

    def __init__(self, app: App, settings: Settings, clients: AsyncExitStack) -> None:
        super().__init__(app)
        self.settings, self._clients = settings, clients
        self._running: dict[asyncio.Task[None], asyncio.Event] = {}

    async def node(self, app: App | None = None) -> asyncio.Task[None]:
        return await self._run(lambda *more: run_node(app or self.app, self.settings, *more))

    async def worker(self, app: App | None = None) -> asyncio.Task[None]:
        return await self._run(lambda *more: run_worker(app or self.app, self.settings, None, *more))

    async def client(self) -> Client:
        return await self._clients.enter_async_context(connect(self.settings))

    async def stop(self, process: asyncio.Task[None]) -> None:
        self._running.pop(process).set()
        await process

    async def kill(self, process: asyncio.Task[None]) -> None:
        del self._running[process]
        process.cancel()
        await asyncio.wait([process])

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as an outsider."""
        connection = await asyncpg.connect(self.settings.database_url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def waiting(self) -> int:
        return len(await self.sql("SELECT FROM perdure.outbox"))

    async def forget_waiting(self) -> None:
        await self.sql("DELETE FROM perdure.outbox")

    async def log(self, stream: str) -> list[tuple[str, Any]]:
        rows = await self.sql("SELECT type, data FROM perdure.events WHERE stream = $1 ORDER BY version", stream)
        return [(row["type"], msgspec.json.decode(row["data"])) for row in rows]

    async def all_types(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for row in await self.sql("SELECT stream, type FROM perdure.events ORDER BY stream, version"):
            found.setdefault(row["stream"], []).append(row["type"])
        return found

    async def until(self, predicate: Callable[[], Any], what: str = "") -> Any:
        return await wait_until(predicate, seconds=20, what=what)

    async def finish(self) -> None:
        """Stop all, and look that nothing is left undone."""
        database = self.settings.database_url
        await self.until(lambda: of_servers.at_rest(database), what="an empty outbox")
        for process in list(self._running):
            await self.stop(process)
        await of_servers.audit(database, passed_over=frozenset({of_servers.GAPS} if self.deletes else ()))

    async def abandon(self) -> None:
        """End what a failed story left."""
        for process in list(self._running):
            await self.kill(process)

    async def _run(self, start: Callable[[asyncio.Event, Callable[[], None]], Any]) -> asyncio.Task[None]:
        stop, ready = asyncio.Event(), asyncio.Event()
        process: asyncio.Task[None] = asyncio.ensure_future(start(stop, ready.set))
        self._running[process] = stop
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait([waiting, process], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if process.done():
            process.result()
        return process


def in_memory(story: Story, app: App, mode: Mode = PLAIN) -> Count:
    """Play a story on the memory adapters, under a mode; gives what the mode has counted."""
    with mode.on() as count:

        async def told(world: World) -> None:
            async with AsyncExitStack() as clients:
                place = MemoryPlace(world, clients, mode)
                await story(place)
                await place.finish()
            count["deaths"] = world.deaths if isinstance(world, MortalWorld) else 0

        simulate(told, app, broker=mode.broker(count), world=mode.world, **mode.settings)
    return count


async def on_servers(app: App, database: str, broker: str | None, story: Story) -> None:
    """Play a story on real servers, in an empty store and virtual host."""
    settings = settings_for(database, broker, partitions=PARTITIONS)
    await declare(settings, app)
    async with AsyncExitStack() as clients:
        place = ServerPlace(app, settings, clients)
        try:
            await story(place)
            await place.finish()
        finally:
            await place.abandon()
