"""An actor that is often kept in snapshots, for tests of them; and the same by other code."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from actors import Actor, App, Rejected, Snapshots, Workflow, command, event, query
from actors.definition import ActorType
from actors.entity import Entity
from eventstore import LoadedStream, MemoryStore

MOST = 10**9
OFTEN = Snapshots(every_events=5, least_share=0)


class Added(Struct):
    units: int


class Sum(Struct):
    units: int = 0
    history: list[int] = []


class Tally(Actor):
    state: Sum
    snapshots: ClassVar[Snapshots | None] = OFTEN

    @command
    def add(self, units: int) -> int:
        self.emit(Added(units))
        if units < 0:
            raise Rejected("below 0")
        if units == 13:
            raise ZeroDivisionError("unlucky")
        return self.state.units

    @command
    def add_each(self, units: list[int]) -> int:
        for each in units:
            self.emit(Added(each))
        return self.state.units

    @event
    def added(self, e: Added) -> None:
        if self.state.units > MOST:
            raise OverflowError("more than there can be")
        self.state.units += e.units
        self.state.history.append(e.units)

    @query
    def view(self) -> Sum:
        return self.state


class _Doubling(Tally, name="Tally"):
    @event
    def added(self, e: Added) -> None:
        self.state.units += 2 * e.units
        self.state.history.append(e.units)


class _Never(Tally, name="Tally"):
    snapshots = None


class Count(Struct):
    units: int = 0


class Counter(Actor):
    """With the policy that an actor has by default."""

    state: Count

    @command
    def count(self, times: int) -> int:
        for _ in range(times):
            self.emit(Added(1))
        return self.state.units

    @event
    def added(self, e: Added) -> None:
        self.state.units += e.units

    @query
    def units(self) -> int:
        return self.state.units


class Loose(Tally):
    """Its state is not read back as it is: the annotation allows more than JSON has."""

    @event
    def added(self, e: Added) -> None:
        self.state.units += e.units
        self.state.history = [*self.state.history, float(e.units)]  # type: ignore[list-item]  # the mistake


class Waiting(Workflow):
    """Here for a snapshot that somebody left in its stream."""

    async def run(self) -> None:
        await self.until(lambda: False)

    @command
    def ring(self) -> str:
        return "rung"


TALLIES = App(actors=[Tally, Counter, Loose, Waiting])
DOUBLING = App(actors=[_Doubling])
NEVER = App(actors=[_Never])


def check_snapshots(store: MemoryStore, app: App) -> None:
    """Check that each snapshot of this app's code is what its stream's first events give."""
    for name, stream in store.log.streams.items():
        kind = app.types[name.partition("/")[0]]
        for version, snapshot in stream.snapshots.items():
            if isinstance(kind, ActorType) and snapshot.code == kind.snapshot_format.code:
                folded, begun = Entity(kind, name), Entity(kind, name)
                folded.replay(stream.events[:version])
                begun.restore(snapshot.version, snapshot.data)
                assert (begun.version, begun.state()) == (folded.version, folded.state()), f"{name} at {version}"


def count_reads(store: MemoryStore) -> list[tuple[str, int, int]]:
    """Have a store tell of each stream that is loaded: its name, the version it began from, how many events were read."""
    load = store.load
    read: list[tuple[str, int, int]] = []

    async def counted(requests: Any) -> list[LoadedStream]:
        loaded = await load(requests)
        read.extend((s.stream, 0 if s.snapshot is None else s.snapshot.version, len(s.events)) for s in loaded)
        return loaded

    store.load = counted  # type: ignore[method-assign]  # a spy
    return read
