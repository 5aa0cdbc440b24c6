"""The commands that one instance gives another arrive in order: also those of one run and the next, and of one activation and the next."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct

from actors import Actor, App, Snapshots, Workflow, command, event, query
from actors.journal import CommandSent
from actors.sending import MOST_CARRIED, ORDER_WITHIN, LastCommands
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Message
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.world import World, simulate


class Noted(Struct):
    what: str


class Page(Struct):
    lines: list[str] = []


class Notes(Actor):
    state: Page
    snapshots = Snapshots(every_events=3, every_bytes=1, least_share=0)

    @command
    def note(self, what: str) -> int:
        self.emit(Noted(what))
        return len(self.state.lines)

    @command
    def pass_on(self, to: str, what: str) -> None:
        self.emit(Noted(what))
        self.tell(Notes, to).note(what)

    @event
    def noted(self, noted: Noted) -> None:
        self.state.lines.append(noted.what)

    @query
    def lines(self) -> list[str]:
        return self.state.lines


class Teller(Workflow):
    async def run(self, first: int, last: int) -> int:
        self.tell(Notes, "all").note(str(first))
        if first < last:
            self.continue_as_new(first + 1, last)
        return first


class Asker(Workflow):
    """Ends before its commands are answered."""

    def __init__(self) -> None:
        self.go = False

    async def run(self, what: str) -> str:
        self.tell(Notes, "all").note(what)
        await self.until(lambda: self.go)
        return what


APP = App(actors=[Notes, Teller, Asker])


class LosingFirst(MemoryBroker):
    """Loses each told command the first time, but for every third: so all that come are out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[bytes] = Counter()

    def put(self, message: Message) -> bool:
        if b'"told":true' in message.body and b'"op":"command_outcome"' not in message.body and b"note" in message.body:
            self.seen[message.body] += 1
            if self.seen[message.body] == 1 and len(self.seen) % 3:
                return True
        return super().put(message)


async def end(world: World) -> None:
    await world.until(lambda: not any(p.outbox for p in world.store.log.partitions), seconds=2000)
    await world.stop_all()
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def test_from_one_run_to_the_next() -> None:
    """Each run tells one thing, the broker loses most of them, and they are noted in their order."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await client.execute(Teller, "1", 1, 8) == 8
            await world.until(lambda: len(noted(world)) == 8, seconds=4000)
            assert noted(world) == [str(n) for n in range(1, 9)]
        await end(world)

    simulate(story, APP, broker=LosingFirst(), within=9000)


def noted(world: World) -> list[str]:
    """Give what is noted, as the log has it."""
    kept = world.store.log.streams.get("Notes/all")
    return [] if kept is None else [event.data.decode()[9:-2] for event in kept.events if event.type == "Noted"]


def test_from_a_run_that_was_ended_to_the_one_that_was_started_again() -> None:
    """In whatever way it ended, and through other nodes."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            for n in range(6):
                await client.start(Asker, "1", str(n), reuse="restart", timeout=60)
                await client.terminate(Asker, "1", timeout=60)
                if n == 3:
                    node.die()
                    world.node()
            await world.until(lambda: len(noted(world)) == 6, seconds=4000)
            assert noted(world) == [str(n) for n in range(6)]
        await end(world)

    simulate(story, APP, broker=LosingFirst(), within=9000)


def test_from_an_actor_that_was_loaded_from_its_snapshot() -> None:
    """It knows what it told before, though it has not read those events."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            for n in range(9):
                await client.call(Notes, "1", "pass_on", "all", str(n), timeout=60)
                node.die()
                node = world.node()
            assert world.store.log.streams["Notes/1"].snapshots
            await world.until(lambda: len(noted(world)) == 9, seconds=4000)
            assert noted(world) == [str(n) for n in range(9)]
            told = [event.data for event in world.store.log.streams["Notes/1"].events if event.type == "CommandSent"]
            assert [b'"after":' in data for data in told] == [False] + [True] * 8
        await end(world)

    simulate(story, APP, broker=LosingFirst(), within=9000)


def test_what_is_carried_is_bounded() -> None:
    """The newest few hundred of the last day: no run that told a hundred thousand actors makes the next one's beginning large."""
    said = LastCommands()
    for number in range(1, 100_001):
        said.note(CommandSent(number, "Notes", str(number), "note", b"[]", told=True), float(number))  # type: ignore[arg-type]  # nobody reads it
    carried = said.of_late(100_000.0)
    assert len(carried) == MOST_CARRIED
    assert min(number for number, _ in carried.values()) == 100_001 - MOST_CARRIED
    assert said.of_late(100_000.0 + ORDER_WITHIN) == {}
