"""A world behind a network, whose processes fail and are started again, as by an operator's supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from eventstore import Commit, CommitRefused, MemoryLeases, MemoryStore, RecordedEvent, StoreError
from eventstore.clock import Clock
from eventstore.memory.log import Log
from runtime import Client
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Topology, TransportError
from runtime.transport.queues import queues_of
from tests.simulation.app import APP, FORMER
from tests.simulation.faults import Plan, all_good
from tests.simulation.network import RemoteStore, RemoteTransport, StormyBroker
from tests.simulation.plot import Plot
from tests.simulation.tasks import CLIENT, RUNS, Mistake
from tests.simulation.virtual_time import VirtualTimeLoop
from tests.simulation.weather import Fault, Weather
from tests.simulation.world import EPOCH, Hosted, NodeProcess, WorkerProcess, World

LOOK = 0.3  # virtual seconds between two looks of the supervisor


@dataclass(slots=True)
class WatchedLog(Log):
    """A log that keeps what is deleted, for the verdict."""

    deleted: dict[str, list[list[RecordedEvent]]] = field(default_factory=dict)

    def apply(self, commit: Commit, now: datetime) -> None:
        if commit.forget and commit.stream in self.streams:
            self.deleted.setdefault(commit.stream, []).append(self.streams[commit.stream].events)
        # Not by super(), which a dataclass with slots does not know.
        Log.apply(self, commit, now)


class WatchedStore(MemoryStore):
    """A store that notes who wrote without the lease: what the store itself must have refused."""

    log: WatchedLog

    def __init__(self, partitions: int, clock: Clock) -> None:
        super().__init__(partitions, clock)
        self.log = WatchedLog(self.log.partitions)
        self.intruders: list[str] = []

    async def commit(self, batch: Sequence[Commit]) -> list[CommitRefused | None]:
        answers = await super().commit(batch)
        for commit, refusal in zip(batch, answers, strict=True):
            epoch = self.log.partitions[commit.partition].epoch
            if refusal is None and commit.epoch != epoch:
                self.intruders.append(f"partition {commit.partition}, epoch {epoch}: written under {commit.epoch}")
        return answers


class Installation(World):
    """See the module's docstring."""

    broker: StormyBroker

    def __init__(self, plot: Plot, weather: Weather) -> None:
        broker: MemoryBroker = StormyBroker(weather)
        super().__init__(APP, broker, plot.partitions, plot.seed, **plot.settings)
        self.store: WatchedStore = WatchedStore(plot.partitions, self.now)
        self.plot, self.weather = plot, weather
        self.runs: dict[str, int] = {}  # of each task, in the outside world
        self.put_aside: list[bytes] = []  # bodies of messages in quarantine, at the end
        Mistake.is_there = "stuck" in plot.features  # until all is healed
        self.former = "rolling" in plot.features  # whether some nodes are of the release before, until all is healed
        self.former_nodes: list[NodeProcess] = []
        self.story: list[str] = []  # what happened, for people
        self.queues = queues_of(Topology(plot.partitions, APP.task_queues))
        self._ending: list[asyncio.Task[None]] = []

    @property
    def started_at(self) -> float:
        """The database's time at the beginning, in seconds since 1970."""
        return EPOCH.timestamp()

    def tell(self, what: str) -> None:
        """Write down what happens."""
        self.story.append(f"{self.elapsed:8.3f}  {what}")

    def transport(self, plan: Plan) -> RemoteTransport:
        return RemoteTransport(self.broker, self.weather)

    def distant(self, inner: MemoryStore | MemoryLeases, plan: Plan) -> RemoteStore:
        return RemoteStore(inner, self.weather)

    async def life(self, process: Hosted, run: Callable[..., Coroutine[Any, Any, None]]) -> None:
        RUNS.set(self.runs)
        if isinstance(process, NodeProcess):
            await super().life(process, run)
            return
        transport = self.transport(all_good)  # tasks are clients, too
        process.on_death.append(transport.kill)
        async with Client(transport, self.store.partitions, new_id=self.new_id, jitter=self._chance.random) as client:
            CLIENT.set(client)
            await super().life(process, run)

    # -- who lives ----------------------------------------------------------------------------------------------

    def living(self, *kinds: type[Hosted]) -> list[Hosted]:
        """List the processes that are neither dead nor ending."""
        return [
            process
            for process in self.processes
            if isinstance(process, kinds)
            and not process.dead
            and not process.main.done()
            and not process.stop_asked.is_set()
        ]

    async def supervise(self) -> None:
        """Start processes until there are as many as the plot wants, again and again."""
        while True:
            self.check_ends()
            for _ in range(len(self.living(NodeProcess)), self.plot.nodes):
                gone = [p.name for p in self.processes if isinstance(p, NodeProcess) and p.dead]
                name = self._chance.choice(gone) if gone and self._chance.random() < 0.3 else ""
                if name in {p.name for p in self.living(NodeProcess)}:
                    name = ""
                self._start_node(name)
            for _ in range(len(self.living(WorkerProcess)), self.plot.workers):
                self.tell(f"{self.worker().name} starts")
            await asyncio.sleep(LOOK)

    def _start_node(self, name: str) -> None:
        former = self.former and self._chance.random() < 0.5
        node = self.node(name=name, app=FORMER if former else APP)
        if former:
            self.former_nodes.append(node)
        self.tell(f"{node.name} starts" + (", of the release before" if former else ""))

    def replace_former(self) -> None:
        """Stop the nodes of the release before; those that take their place are of today."""
        self.former = False
        for node in self.former_nodes:
            if not node.dead and not node.main.done() and not node.stop_asked.is_set():
                self.end(node)

    def check_ends(self) -> None:
        """Check that no process ended by itself, except one that found no store or broker when it started."""
        for process in self.processes:
            if process.dead or not process.main.done():
                continue
            error = process.main.exception()
            if error is None and process.stop_asked.is_set():
                continue
            if error is not None and not process.ready.is_set() and _is_outage(error):
                continue
            raise AssertionError(f"{process.name} ended by itself") from error

    def end(self, process: Hosted) -> None:
        """Ask a process to stop in order, without waiting for it."""
        process.stop_asked.set()
        self._ending.append(asyncio.ensure_future(self._ended(process)))

    async def _ended(self, process: Hosted) -> None:
        try:
            await process.stop()
        except Exception as error:
            if process.ready.is_set() or not _is_outage(error):
                raise

    async def close(self) -> None:
        """Stop what lives, in order."""
        for process in self.living(Hosted):
            self.end(process)
        for ending in self._ending:
            await ending

    def jump(self, seconds: float) -> None:
        """Let time go by with nothing running."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop.jump(seconds)

    def happened(self, fault: Fault, what: str = "") -> None:
        """Count a fault, and tell of it."""
        self.weather.seen[fault] += 1
        self.tell(f"{fault}: {what}" if what else str(fault))


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_outage(each) for each in error.exceptions)
    return isinstance(error, StoreError | TransportError | TimeoutError)
