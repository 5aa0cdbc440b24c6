"""A whole installation in one event loop: a log, a broker, and processes that come, die and go, under virtual time."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from actors import App
from eventstore import MemoryLeases, MemoryStore
from runtime import Client, Node, Settings, Worker
from runtime.transport.memory import MemoryBroker
from tests.simulation.faults import FaultyStore, FaultyTransport, Plan, all_good
from tests.simulation.process import Process
from tests.simulation.virtual_time import START, VirtualTimeLoop

T = TypeVar("T")

EPOCH = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTINGS = Settings(database_url="postgresql://nobody@nowhere/nothing", lease_ttl=2.0, shutdown_grace=5.0)


class Hosted(Process):
    """A node or a worker as a process: it can be stopped, killed and asked."""

    def __init__(self, name: str, transport: FaultyTransport, die_at: int | None = None) -> None:
        super().__init__(name, die_at)
        self.transport = transport
        self.on_death.append(transport.kill)
        self.stop_asked = asyncio.Event()
        self.ready = asyncio.Event()
        self.main: asyncio.Task[Any]

    async def stop(self) -> None:
        """Stop it in order (SIGTERM) and wait for its end, or for its death on the way."""
        self.stop_asked.set()
        died = asyncio.ensure_future(self.died.wait())
        await asyncio.wait([self.main, died], return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if not self.dead:
            await self.main
            await self.transport.close()


class NodeProcess(Hosted):
    """A node."""

    node: Node
    store: FaultyStore
    leases: FaultyStore


class WorkerProcess(Hosted):
    """A worker."""

    worker: Worker


class World:
    """See the module's docstring. Made by `simulate`."""

    def __init__(
        self, app: App, broker: MemoryBroker | None = None, partitions: int = 2, seed: int = 7, **settings: Any
    ) -> None:
        self.app = app
        self.settings = msgspec.structs.replace(SETTINGS, **settings)
        self.store = MemoryStore(partitions, clock=self.now)
        self.broker = broker or MemoryBroker()
        self.processes: list[Hosted] = []
        self._ids = itertools.count(1)
        self._chance = random.Random(seed)

    def now(self) -> datetime:
        """The database's clock."""
        return EPOCH + timedelta(seconds=self.elapsed)

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the story began."""
        return asyncio.get_running_loop().time() - START

    def node(
        self,
        *,
        app: App | None = None,
        name: str = "",
        plan: Plan = all_good,
        die_at: int | None = None,
        **settings: Any,
    ) -> NodeProcess:
        """Start a node."""
        process = NodeProcess(name or f"node-{next(self._ids)}", self.transport(plan), die_at)
        process.store = self.distant(self.store, plan)
        process.leases = self.distant(MemoryLeases(self.store), plan)
        process.node = Node(
            app or self.app,
            process.store,
            process.leases,
            process.transport,
            msgspec.structs.replace(self.settings, node_name=process.name, **settings),
            jitter=self._chance.random,
            new_id=self.new_id,
        )
        self._start(process, process.node.run)
        return process

    def worker(
        self, *, app: App | None = None, plan: Plan = all_good, die_at: int | None = None, **settings: Any
    ) -> WorkerProcess:
        """Start a worker."""
        process = WorkerProcess(f"worker-{next(self._ids)}", self.transport(plan), die_at)
        process.worker = Worker(
            app or self.app,
            process.transport,
            msgspec.structs.replace(self.settings, **settings),
            jitter=self._chance.random,
        )
        self._start(process, process.worker.run)
        return process

    @asynccontextmanager
    async def client(self, plan: Plan = all_good, partitions: int | None = -1) -> AsyncIterator[Client]:
        """Open a client; without `partitions` it knows them."""
        known = self.store.partitions if partitions == -1 else partitions
        transport = self.transport(plan)
        client = Client(transport, known, self.store, new_id=self.new_id, now=self.now, jitter=self._chance.random)
        async with client:
            yield client

    def transport(self, plan: Plan) -> Any:
        """Give one more process its way to the broker."""
        return FaultyTransport(self.broker, plan)

    def distant(self, inner: MemoryStore | MemoryLeases, plan: Plan) -> Any:
        """Give one more process its way to the store or the leases."""
        return FaultyStore(inner, plan)

    def new_id(self) -> str:
        return f"id-{next(self._ids)}"

    async def until(
        self,
        predicate: Callable[[], object],
        *,
        seconds: float = 60,
        what: str = "",
        every: float = 0.01,
    ) -> Any:
        """Wait in virtual time until the predicate (plain or async) gives something true, and give that."""
        end = self.elapsed + seconds
        while True:
            answer: Any = predicate()
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer:
                return answer
            assert self.elapsed < end, f"not within {seconds:g} virtual seconds: {what or predicate}; last: {answer!r}"
            await asyncio.sleep(every)

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)

    def stand_still(self, seconds: float) -> None:
        """Let time go by with nothing running: a loop that is blocked, a machine that was asleep."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.jump(seconds)

    def owners(self) -> list[str | None]:
        """Who holds each partition's lease."""
        return [partition.owner for partition in self.store.log.partitions]

    async def served(self, *nodes: NodeProcess) -> None:
        """Wait until these nodes hold all partitions and serve them."""
        names = {node.name for node in nodes}

        def all_taken() -> bool:
            served = [partition for node in nodes for partition in node.node.partitions]
            return set(self.owners()) <= names and sorted(served) == list(range(self.store.partitions))

        await self.until(all_taken, what=f"all partitions served by {names}, owners {self.owners()}")

    async def stop_all(self) -> None:
        """Stop what lives, in order."""
        for process in self.processes:
            if not process.dead and not process.main.done():
                await process.stop()

    def _start(self, process: Hosted, run: Callable[..., Coroutine[Any, Any, None]]) -> None:
        self.processes.append(process)
        process.main = process.run(self.life(process, run))

    async def life(self, process: Hosted, run: Callable[..., Coroutine[Any, Any, None]]) -> None:
        """Be the main coroutine of a process."""
        await process.transport.open()
        await run(process.stop_asked, process.ready.set)


def simulate(
    story: Callable[[World], Coroutine[Any, Any, T]],
    app: App,
    *,
    broker: MemoryBroker | None = None,
    partitions: int = 2,
    within: float = 600.0,
    world: type[World] = World,
    **settings: Any,
) -> T:
    """Tell a story in a world of its own. A process that fails by itself fails the story."""
    make = world
    random.seed(11)

    async def told() -> T:
        world = make(app, broker, partitions, **settings)
        try:
            async with asyncio.timeout(within):
                telling = asyncio.ensure_future(story(world))
                while not telling.done():
                    living = [p.main for p in world.processes if not p.dead and not p.main.done()]
                    await asyncio.wait([telling, *living], timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                    for process in world.processes:
                        if not process.dead and process.main.done() and process.main.exception() is not None:
                            telling.cancel()
                            raise AssertionError(f"{process.name} failed") from process.main.exception()
            return telling.result()
        finally:
            for process in world.processes:
                process.bury()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(told())
