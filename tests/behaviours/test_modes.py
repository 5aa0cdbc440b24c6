"""The modes: each does what it is for, and none can be told by what an installation has recorded and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import cache, partial
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, Failure, Rejected, Workflow, command, event, query, task
from runtime import CommandFailed
from tests.behaviours.conftest import Play
from tests.behaviours.likeness import Likeness, likeness, normal
from tests.behaviours.modes import MODES, PLAIN, Count, Mode, MortalWorld
from tests.behaviours.place import MemoryPlace, Place, in_memory
from tests.golden.app import app as golden_app
from tests.golden.stories import STORIES
from tests.simulation.world import World, simulate


class Moved(Struct):
    cents: int


class Balance(Struct):
    cents: int = 0
    moves: list[int] = []


class Account(Actor):
    state: Balance

    @command
    def move(self, cents: int) -> int:
        if self.state.cents + cents < 0:
            raise Rejected("insufficient funds", {"has": self.state.cents})
        self.emit(Moved(cents))
        return self.state.cents

    @command
    async def move_priced(self, what: str) -> int:
        self.emit(Moved(-await price(what)))
        return self.state.cents

    @event
    def moved(self, moved: Moved) -> None:
        self.state.cents += moved.cents
        self.state.moves.append(moved.cents)

    @query
    def moves(self) -> list[int]:
        return self.state.moves


class Odd(Failure):
    """What `price` has no answer to."""


@task(raises=(Odd,))
async def price(what: str) -> int:
    if len(what) % 2:
        raise Odd(f"{what} is odd", {"letters": len(what)})
    return 10 * len(what)


@task(local=True)
async def name_of(id: str) -> str:
    return id.upper()


class Item(Workflow):
    async def run(self, what: str) -> int:
        return await price(what)


class Order(Workflow):
    """Uses one thing of a sort after the other."""

    def __init__(self) -> None:
        self.items: list[str] = []
        self.notes: list[Any] = []

    async def run(self, account: str, rounds: int = 1, notes: list[Any] | None = None) -> list[Any]:
        self.notes = [*(notes or []), await name_of(account)]
        await self.until(lambda: len(self.items) >= 2)
        for item in self.items:
            try:
                self.notes.append(await self.execute(Item, f"{self.id}-{rounds}-{item}", item))
            except Failure as failed:
                self.notes.append(str(failed))
        await asyncio.sleep(0.5)
        self.notes.append(sum(await self.map(price, ["ab", "cdef"], at_most=1)))
        self.notes.append(await self.actor(Account, account).move(-100))
        if rounds < 2:
            self.continue_as_new(account, rounds + 1, self.notes)
        return [*self.notes, await self.promise("signature", str)]

    @command
    def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @query
    def so_far(self) -> list[Any]:
        return [*self.notes, *self.items]


APP = App(actors=[Account, Item, Order], tasks=[price, name_of])


async def tell(place: Place) -> list[Any]:
    """Do one thing after the other; gives all answers."""
    await place.node()
    await place.worker()
    client = await place.client()
    heard: list[Any] = []
    for number, cents in enumerate((1000, -2000, 500)):
        heard.append(
            await _answer(client.call(Account, "ann", "move", cents, command_id=f"move {number}", timeout=200))
        )
    heard += [await _answer(client.call(Account, "ann", "move_priced", what, timeout=200)) for what in ("tea!", "odd")]
    heard.append(await client.start(Order, "1", "ann", timeout=200))
    for round in (1, 2):
        await place.until(partial(_begun, place, round))
        for item in ("cake", "pie"):
            heard.append(await _answer(client.call(Order, "1", "add", item, command_id=f"{round} {item}", timeout=200)))
            heard.append(await client.query(Order, "1", "so_far", timeout=200))
        await place.until(partial(_paid, place, round))
        heard.append(await client.query(Account, "ann", "moves", timeout=200))
    await client.resolve(Order, "1", "signature", "ann", timeout=200)
    heard.append(await client.result(Order, "1", timeout=200))
    heard.append(await _answer(client.call(Account, "ann", "move", -2000, command_id="move 1", timeout=200)))
    heard.append(await client.query(Order, "1", "so_far", timeout=200))
    return heard


async def _answer(asking: Awaitable[Any]) -> Any:
    try:
        return await asking
    except CommandFailed as failed:
        return [failed.type, str(failed), failed.details]


async def _begun(place: Place, round: int) -> bool:
    types = await place.types("Order/1")
    return types.count("RunContinued") == round - 1 and types[-1] == "TaskCompleted"


async def _paid(place: Place, round: int) -> bool:
    return (await place.types("Account/ann")).count("Moved") == 2 + round + 1


@cache
def _played(mode: Mode) -> tuple[list[Any], Likeness, Count]:
    heard: list[Any] = []
    logs: list[Likeness] = []

    async def story(place: Place) -> None:
        heard.extend(await tell(place))
        assert isinstance(place, MemoryPlace)
        logs.append(likeness(place.world))

    count = in_memory(story, APP, mode)
    return heard, logs[0], count


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_identical_results_under(mode: Mode) -> None:
    """All answers, queries and results, and every event of every stream, are as they are without the mode."""
    heard, logs, _ = _played(mode)
    plain, plain_logs, _ = _played(PLAIN)
    assert heard == plain
    assert logs == plain_logs


@cache
def _golden(name: str, mode: Mode) -> Likeness:
    async def told(world: World) -> Likeness:
        world.node()
        world.worker()
        async with world.client() as client:
            streams = await STORIES[name](world, client)
            logs = likeness(world)
        if isinstance(world, MortalWorld):
            world.over = True
        await world.stop_all()
        return {stream: logs[stream] for stream in streams}

    with mode.on() as count:
        return simulate(told, golden_app, broker=mode.broker(count), world=mode.world, **mode.settings)


@pytest.mark.parametrize("play", ["postgres, all at once", "rabbitmq, all at once"], indirect=True)
def test_identical_results_on_real_servers(play: Play) -> None:
    """With a snapshot at each event, actors unloaded all the time and every message twice: as in memory without that."""
    plain, plain_logs, _ = _played(PLAIN)

    async def story(place: Place) -> None:
        assert await tell(place) == plain
        for stream, events in plain_logs.items():
            assert normal(await place.log(stream)) == events

    play(story, APP)


# Stories in which a mode may show in the history, and only there: the end is the same.
SHOWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tasks": (
        "a task is told how often it was run before, and repeated messages run it more often",
        ("every message twice", "every message again later", "all at once"),
    ),
    "waits": (
        "a command comes while a timer runs, and time goes by where a node dies",
        ("a node dies with each commit", "all at once"),
    ),
    "scheduled": (
        "what has become due is recorded with the time of the look, and time goes by where a node dies",
        ("a node dies with each commit",),
    ),
    "restarted_by_hand": (
        "it is terminated while its tasks run, and time goes by where a node dies",
        ("a node dies with each commit", "all at once"),
    ),
    "handed_over": (
        "what has become due is recorded with the time of the look, and time goes by where a node dies",
        ("a node dies with each commit", "all at once"),
    ),
    "retried": (
        "how long it lay there is recorded, and time goes by where a node dies",
        ("a node dies with each commit", "all at once"),
    ),
    "async_commands": (
        "a command comes while another one is carried out",
        ("a node dies with each commit", "all at once"),
    ),
}


# A node that dies at each of hundreds of commits, with each message again later, takes a minute: the modes alone play it.
TOO_LONG = {("scheduled", "all at once")}
PLAYED = [(name, mode) for name in STORIES for mode in MODES if (name, mode.name) not in TOO_LONG]


@pytest.mark.parametrize(("name", "mode"), PLAYED, ids=lambda each: each if isinstance(each, str) else each.name)
def test_identical_histories_of_every_feature_under(name: str, mode: Mode) -> None:
    """What is recorded of each feature is recorded so in all modes; with the stated exceptions, it ends the same."""
    found, plain = _golden(name, mode), _golden(name, PLAIN)
    _, shows_in = SHOWS.get(name, ("", ()))
    assert (found != plain) == (mode.name in shows_in)
    assert _ends(found) == _ends(plain)


def _ends(logs: Likeness) -> dict[str, tuple[str, Any]]:
    """Give the last event of each stream, and what its run gave or raised, but for the seconds that it took."""
    ends: dict[str, tuple[str, Any]] = {}
    for stream, events in logs.items():
        type, data = events[-1]
        result = data.get("result")
        if isinstance(result, list):
            result = [each for each in result if not isinstance(each, float)]
        ends[stream] = (type, result or data.get("error"))
    return ends


def test_each_mode_does_what_it_is_for() -> None:
    """It happened, often; else it would have proven nothing."""
    counts = {mode.name: _played(mode)[2] for mode in [PLAIN, *MODES]}
    assert counts[""]["deaths"] == counts[""]["copies"] == counts[""]["unloaded"] == 0
    assert counts["no snapshot"]["folded from the first event"] > 10
    assert counts["no snapshot"]["snapshots"] == counts["no snapshot"]["folded from a snapshot"] == 0
    for name in ("snapshot at each event", "all at once"):
        assert min(counts[name][what] for what in ("snapshots", "folded from a snapshot", "unloaded")) > 4, name
    for name in ("every message twice", "every message again later", "all at once"):
        assert counts[name]["copies"] > 50, name
    for name in ("a node dies with each commit", "all at once"):
        assert counts[name]["deaths"] > 30, name
