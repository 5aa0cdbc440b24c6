"""Where a run plays: private servers, a database and a virtual host, and a seat for each process, behind its own proxies."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from runtime.assembly import migrate
from runtime.servers import PrivatePostgres, PrivateRabbitMQ
from runtime.settings import load_settings
from tests.faults.bank import app
from tests.faults.crew import Seat
from tests.faults.journal import Journal, Tail
from tests.faults.load import SECRET
from tests.faults.plan import LEASE
from tests.faults.prober import Prober
from tests.faults.proxy import Proxy
from tests.faults.worker_links import EFFECTS

PARTITIONS = 8
_NODES, _WORKERS, _CLIENTS = 3, 2, 2
_PATIENCE = {
    "PERDURE_LEASE_TTL": str(LEASE),
    "PERDURE_SWEEP_AFTER": "10",  # tasks take milliseconds: one that is silent for so long went down with something
    "PERDURE_TASK_CONCURRENCY": "40",
    "PERDURE_IDLE": "3",  # unload and load often
    "PERDURE_LOG_LEVEL": "info",
}


class Stage:
    """An async context manager: everything is up inside, and ended after it, whatever happens."""

    def __init__(self, home: Path, seed: int) -> None:
        self.home, self.seed = home, seed
        self.postgres, self.rabbitmq = PrivatePostgres(), PrivateRabbitMQ()
        self.secrets = [f"planted-{secrets.token_hex(8)}"]
        self.nodes: list[Seat] = []
        self.workers: list[Seat] = []
        self.clients: list[Seat] = []
        self.database = self.broker = ""
        self._observers: list[Seat] = []
        self._stack = AsyncExitStack()
        self._keeping: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await asyncio.shield(self._close())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._close())

    @property
    def seats(self) -> list[Seat]:
        """Everybody whom faults may hit."""
        return [*self.nodes, *self.workers, *self.clients]

    @property
    def links(self) -> list[Proxy]:
        """Every link."""
        return [link for seat in self.seats for link in seat.links]

    @property
    def observer(self) -> Seat:
        """The process that follows the log."""
        return self._observers[0]

    def environment(self) -> dict[str, str]:
        """Give the settings of whoever goes straight to the servers."""
        return {"PERDURE_DATABASE_URL": self.database, "PERDURE_BROKER_URL": self.broker, **_PATIENCE}

    def journal(self, name: str) -> Path:
        """Name a process's journal."""
        return self.home / f"{name}.jsonl"

    def check(self) -> None:
        """See that nothing that keeps the run going has failed; raises what it raised."""
        for task in self._keeping:
            if task.done():
                task.result()

    async def up(self, seats: list[Seat], seconds: float = 300.0) -> None:
        """Wait until these are ready."""
        async with asyncio.timeout(seconds):
            for seat in seats:
                while not seat.up.is_set():
                    self.check()
                    await asyncio.sleep(0.05)

    def tail(self, name: str) -> Tail:
        """Read a journal while it grows."""
        return Tail(self.journal(name))

    def keep(self, work: object, name: str) -> None:
        """Run something beside the run, to its end."""
        assert asyncio.iscoroutine(work)
        self._keeping.append(asyncio.create_task(work, name=name))

    async def _open(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.postgres.start())
            group.create_task(self.rabbitmq.start())
        self.database = await self.postgres.create_database("faults")
        self.broker = await self.rabbitmq.add_vhost("faults")
        self.secrets += [url.split("://")[1].split("@")[0].partition(":")[2] for url in (self.database, self.broker)]
        await migrate(load_settings(self.environment() | {"PERDURE_PARTITIONS": str(PARTITIONS)}), app)
        connection = await asyncpg.connect(self.database)
        try:
            await connection.execute(EFFECTS)
        finally:
            await connection.close()
        await self._take_seats()
        self.prober_journal = Journal(self.journal("prober"))
        self.prober = Prober(self.broker, PARTITIONS, self.prober_journal)
        self.keep(self.prober.run(), "prober")
        await self.up([*self._observers, *self.nodes, *self.workers, *self.clients])

    async def _take_seats(self) -> None:
        observer = Seat(
            "observer",
            lambda _: ["tests.faults.observer", str(self.journal("observer"))],
            self.environment(),
            [],
            self.home,
        )
        self._observers.append(observer)
        for number in range(1, _NODES + 1):
            # Odd processes keep the seat's name, as in a stateful set; even ones come under a name of their own.
            name = f"node-{number}"
            self.nodes.append(await self._seat(name, lambda run, name=name: _node(name, run)))
        for number in range(1, _WORKERS + 1):
            name = f"worker-{number}"
            command = ["tests.faults.worker", str(self.journal(name))]
            self.workers.append(await self._seat(name, lambda _, command=command: command))
        for number in range(1, _CLIENTS + 1):
            name, role = f"client-{number}", "opening" if number == 1 else "calling"
            command = [str(self.seed), str(self.journal(name)), role]
            # Each process has numbers of its own, for the ids of its commands.
            self.clients.append(
                await self._seat(
                    name, lambda run, name=name, command=command: ["tests.faults.load", f"{name}-{run}", *command]
                )
            )
        for seat in (*self._observers, *self.seats):
            self.keep(seat.keep(), seat.name)

    async def _seat(self, name: str, command: object) -> Seat:
        assert callable(command)
        links = []
        for what, server in (("postgres", self.postgres), ("rabbitmq", self.rabbitmq)):
            links.append(await self._stack.enter_async_context(Proxy(f"{name} to {what}", "127.0.0.1", server.port)))
        addresses = {
            "PERDURE_DATABASE_URL": links[0].through(self.database),
            "PERDURE_BROKER_URL": links[1].through(self.broker),
            SECRET: self.secrets[0],
        }
        return Seat(name, command, self.environment() | addresses, links, self.home)

    async def _close(self) -> None:
        try:
            await asyncio.gather(*(seat.end() for seat in (*self.seats, *self._observers)))
            for task in self._keeping:
                task.cancel()
            if self._keeping:
                await asyncio.wait(self._keeping)
            await self._stack.aclose()
        finally:
            await asyncio.gather(_ended(self.postgres), _ended(self.rabbitmq))


def _node(name: str, run: int) -> list[str]:
    return ["runtime.cli", "node", "tests.faults.bank:app", "--name", name if run % 2 else f"{name}-{run}"]


async def _ended(server: PrivatePostgres | PrivateRabbitMQ) -> None:
    await server.kill()  # nothing in it is of use to anybody
    await server.close()
