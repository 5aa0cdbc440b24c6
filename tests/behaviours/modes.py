"""Ways of running an installation that may change nothing: what is kept, how long it stays in memory, what comes twice.

Each mode is played over every story in memory, and over a few on real servers. A mode counts how often it did what it is
for, so that none passes because it never happened.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import Context
from typing import Any
from unittest.mock import patch

from msgspec import Struct

from actors import App, Snapshots
from actors.definition import ActorType
from actors.entity import Entity
from eventstore import Commit, CommitRefused, LoadedStream, Snapshot
from runtime import assembly
from runtime.hosting.activation import Activation
from runtime.hosting.host import PartitionHost
from runtime.hosting.item import Item, Step
from runtime.hosting.snapshots import ActorSnapshots
from runtime.settings import Settings
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Message, Transport
from tests.simulation.process import CURRENT, Process
from tests.simulation.world import Hosted, NodeProcess, World

Count = Counter[str]


class Mode(Struct, frozen=True, kw_only=True):
    """One way.

    Args:
        name: what its tests are called by.
        snapshots: the policy of all actors; "own" is what each class says.
        unloads: whether an actor leaves memory as soon as nothing of it is under way.
        copies: after how many seconds copies of each message come.
        dies: whether a node dies with each commit that has events, and another takes its place. In memory only.
    """

    name: str
    snapshots: Snapshots | str | None = "own"
    unloads: bool = False
    copies: tuple[float, ...] = ()
    dies: bool = False

    @contextmanager
    def on(self) -> Iterator[Count]:
        """Have the nodes, workers and clients of this process work so; gives what it counts.

        In memory messages are repeated by `broker`, and nodes die in `world`.
        """
        count: Count = Counter()
        with ExitStack() as stack:
            if isinstance(self.snapshots, Snapshots | None):
                stack.enter_context(_snapshots_taken(self.snapshots, count))
            if self.unloads:
                stack.enter_context(_unloading(count))
            if self.copies:
                stack.enter_context(_publishing_copies(count))
            yield count

    def broker(self, count: Count) -> RepeatingBroker:
        """Make a broker in memory that repeats what it should."""
        return RepeatingBroker(self.copies, count)

    @property
    def world(self) -> type[World]:
        """The world in memory."""
        return MortalWorld if self.dies else World

    @property
    def settings(self) -> dict[str, Any]:
        """Settings in memory: where nodes die all the time they are soon missed."""
        return {"lease_ttl": 0.2} if self.dies else {}


PLAIN = Mode(name="")
EACH_EVENT = Snapshots(every_events=1, least_share=0.0)

MODES = [
    Mode(name="no snapshot", snapshots=None, unloads=True),
    Mode(name="snapshot at each event", snapshots=EACH_EVENT, unloads=True),
    Mode(name="passivate after each command", unloads=True),
    Mode(name="every message twice", copies=(0.0,)),
    Mode(name="every message again later", copies=(0.3,)),
    Mode(name="a node dies with each commit", dies=True),
    Mode(name="all at once", snapshots=EACH_EVENT, unloads=True, copies=(0.0, 0.3), dies=True),
]

ON_SERVERS = Mode(name="all at once", snapshots=EACH_EVENT, unloads=True, copies=(0.0,))


class RepeatingBroker(MemoryBroker):
    """Puts copies of every message into its queue: commands, tasks, outcomes and replies."""

    def __init__(self, copies: Sequence[float], count: Count) -> None:
        super().__init__()
        self.copies, self._count = copies, count
        self.under_way = 0

    def put(self, message: Message) -> bool:
        if not super().put(message):
            return False
        for seconds in self.copies:
            self._count["copies"] += 1
            if not seconds:
                super().put(message)
            else:
                self.under_way += 1
                asyncio.get_running_loop().call_later(seconds, self._arrive, message, context=Context())
        return True

    def _arrive(self, message: Message) -> None:
        self.under_way -= 1
        super().put(message)


class _RepeatingTransport:
    """Publishes all things twice."""

    def __init__(self, inner: Transport, count: Count) -> None:
        self._inner, self._count = inner, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def publish(self, messages: Sequence[Message]) -> None:
        self._count["copies"] += len(messages)
        await self._inner.publish(messages)
        await self._inner.publish(messages)

    def post(self, messages: Sequence[Message]) -> None:
        self._count["copies"] += len(messages)
        self._inner.post(messages)
        self._inner.post(messages)


@contextmanager
def _publishing_copies(count: Count) -> Iterator[None]:
    make = assembly.make_transport

    def make_repeating(settings: Settings, *, owns_partitions: bool = False) -> Any:
        return _RepeatingTransport(make(settings, owns_partitions=owns_partitions), count)

    with patch.object(assembly, "make_transport", make_repeating):
        yield


@contextmanager
def _snapshots_taken(policy: Snapshots | None, count: Count) -> Iterator[None]:
    class Taken(ActorSnapshots):
        def __init__(self, kind: ActorType) -> None:
            super().__init__(kind)
            self._policy = policy

        def begin(self, entity: Entity, loaded: LoadedStream) -> None:
            super().begin(entity, loaded)
            count["folded from a snapshot" if loaded.snapshot else "folded from the first event"] += 1

        def take(self, entity: Entity) -> Snapshot | None:
            snapshot = super().take(entity)
            count["snapshots"] += snapshot is not None
            return snapshot

    with patch("runtime.hosting.entity.ActorSnapshots", Taken):
        yield


@contextmanager
def _unloading(count: Count) -> Iterator[None]:
    done = PartitionHost.done

    def done_and_unload(self: PartitionHost, activation: Activation, step: Step, item: Item) -> None:
        done(self, activation, step, item)
        asyncio.get_running_loop().call_soon(_unload, self, activation)

    def _unload(host: PartitionHost, activation: Activation) -> None:
        if not host.dropped and activation.idle:
            count["unloaded"] += 1
            host.forget(activation)

    with patch.object(PartitionHost, "done", done_and_unload):
        yield


class MortalWorld(World):
    """Has each node that commits events die in that moment, and another take its place: what it wrote is durable, and nobody heard."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.deaths = 0
        self.spared: set[Process] = set()  # who may go on living
        self.over = False
        self._heirs: dict[Process, NodeProcess] = {}  # who took the place of whom
        self._code: dict[Process, App | None] = {}
        self._commit = self.store.commit
        self.store.commit = self._commit_and_die  # type: ignore[method-assign]  # of this one store

    def node(self, *, app: App | None = None, **options: Any) -> NodeProcess:
        node = super().node(app=app, **options)
        self._code[node] = app
        return node

    def heir(self, process: Hosted) -> Hosted:
        """Find who is there now in a process's place."""
        while (heir := self._heirs.get(process)) is not None:
            process = heir
        return process

    async def served(self, *nodes: NodeProcess) -> None:
        def all_taken() -> bool:
            return set(self.owners()) <= {self.heir(node).name for node in nodes}

        await self.until(all_taken, what="all partitions are served by these nodes, or their heirs")

    async def _commit_and_die(self, batch: Sequence[Commit]) -> list[CommitRefused | None]:
        answers = await self._commit(batch)
        node = CURRENT.get()
        durable = any(commit.events and answer is None for commit, answer in zip(batch, answers, strict=True))
        if durable and isinstance(node, NodeProcess) and node not in self.spared and not self.over:
            self.deaths += 1
            node.die()
            if not node.stop_asked.is_set():
                self._heirs[node] = Context().run(self.node, app=self._code[node])
        return answers
