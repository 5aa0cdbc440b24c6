"""Steps: how often a task is tried, what of them is durable and when, and what a failure leaves."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Struct

from actors import Actor, App, Failure, Rejected, Retry, TaskError, Workflow, command, event, query, task, task_context
from runtime import CommandFailed
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place

RAN: list[str] = []  # what was really run
PLACES: list[Place] = []  # where the story plays, for tasks that look into the log


class Unknown(Failure):
    """Nobody has such a thing."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()
    PLACES.clear()


QUICK = Retry(max_attempts=4, first_delay=0.05, jitter=0, never=(ValueError,))


@task(retry=QUICK, raises=(Unknown,))
async def fetch(what: str) -> str:
    attempt = task_context().attempt
    match what:
        case "slow" if attempt < 3:
            raise OSError("not yet")
        case "broken":
            raise OSError(f"not at attempt {attempt} either")
        case "strange":
            raise ValueError("no such name")
        case "unknown":
            raise Unknown("nobody has it", {"asked": what})
    return f"{what} at attempt {attempt}"


class Shopping(Workflow):
    async def run(self, items: list[str]) -> list[str]:
        got: list[str] = []
        for item in items:
            try:
                got.append(await fetch(item))
            except TaskError as failed:
                got.append(f"{failed.type}: {failed}")
            except Unknown as unknown:
                got.append(f"{unknown} {unknown.details}")
        return got


@task
async def write(line: str) -> str:
    """Note what the log said when it was run."""
    RAN.append(line)
    done = (await PLACES[0].types("Letter/1")).count("TaskCompleted")
    return f"{line} after {done}"


@task(local=True)
async def sign(name: str) -> str:
    RAN.append(name)
    done = (await PLACES[0].types("Letter/1")).count("TaskCompleted")
    return f"{name} after {done}"


class Letter(Workflow):
    def __init__(self) -> None:
        self.sealed = False

    async def run(self) -> list[str]:
        lines = [await write("dear"), await sign("ann"), await write("bob")]
        await self.until(lambda: self.sealed)
        return [*lines, await sign("eve")]

    @command
    def seal(self) -> None:
        self.sealed = True


class Basket(Workflow):
    """A command that fails has changed what it has changed."""

    def __init__(self) -> None:
        self.items: list[str] = []

    async def run(self) -> list[str]:
        await self.until(lambda: len(self.items) >= 3)
        return self.items

    @command
    def add(self, item: str) -> None:
        self.items.append(item)
        if item == "coffee":
            raise Rejected("we have tea only")

    @command
    async def add_fetched(self, item: str) -> None:
        self.items.append(await fetch(item))
        raise Rejected("and no more")

    @query
    def content(self) -> list[str]:
        return self.items


class Moved(Struct):
    cents: int


class Balance(Struct):
    cents: int = 0


class Till(Actor):
    state: Balance

    @command
    async def pay(self, cents: int) -> None:
        self.emit(Moved(-cents))
        await fetch("receipt")
        self.emit(Moved(-1))
        raise Rejected("the receipt is lost")

    @event
    def moved(self, moved: Moved) -> None:
        self.state.cents += moved.cents

    @query
    def cents(self) -> int:
        return self.state.cents


class Race(Workflow):
    """Ends when it is told to, whatever becomes of its task."""

    def __init__(self) -> None:
        self.told = False

    async def run(self) -> str:
        fetching = asyncio.ensure_future(fetch("tea"))
        await self.until(lambda: self.told or fetching.done())
        return "told" if self.told else "fetched"

    @command
    def stop(self) -> None:
        self.told = True


APP = App(actors=[Shopping, Letter, Basket, Till, Race], tasks=[fetch, write, sign])


def test_task_retried_until_success_exhausted_non_retryable(play: Play) -> None:
    """Each attempt that failed is recorded once, and the run hears of the last one only."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        items = ["tea", "slow", "broken", "strange", "unknown"]
        assert await client.execute(Shopping, "1", items, timeout=200) == [
            "tea at attempt 1",
            "slow at attempt 3",
            "OSError: task fetch failed: OSError: not at attempt 4 either",
            "ValueError: task fetch failed: ValueError: no such name",
            "nobody has it {'asked': 'unknown'}",
        ]
        failed = [(data["task"], data["attempt"]) for type, data in await place.log("Shopping/1") if "Attempt" in type]
        assert failed == [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)]
        types = await place.types("Shopping/1")
        assert (types.count("TaskCompleted"), types.count("TaskFailed")) == (2, 3)

    play(story, APP)


def test_result_durable_before_the_next_step_starts(play: Play) -> None:
    """Each step finds the results of all steps before it in the log; on workers and inside the node."""

    async def story(place: Place) -> None:
        PLACES.append(place)
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Letter, "1", timeout=200)
        await client.call(Letter, "1", "seal", timeout=200)
        assert await client.result(Letter, "1", timeout=200) == [
            "dear after 0", "ann after 1", "bob after 2", "eve after 3",
        ]  # fmt: skip

    play(story, APP)


def test_a_completed_step_never_runs_again(play: Play) -> None:
    """Also when its node dies and another one takes the instance up; a repeated message may run a task, and changes nothing."""

    async def story(place: Place) -> None:
        PLACES.append(place)
        first = await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Letter, "1", timeout=200)
        await place.until(lambda: _completed(place, 3))
        before = await place.log("Letter/1")
        await place.kill(first)
        await place.node()
        await client.call(Letter, "1", "seal", timeout=200)
        assert (await client.result(Letter, "1", timeout=200))[0] == "dear after 0"
        assert (await place.log("Letter/1"))[: len(before)] == before
        assert (await place.types("Letter/1")).count("TaskCompleted") == 4
        assert (RAN.count("ann"), RAN.count("eve")) == (1, 1)
        if not place.repeats:
            assert RAN == ["dear", "ann", "bob", "eve"]

    async def _completed(place: Place, steps: int) -> bool:
        return (await place.types("Letter/1")).count("TaskCompleted") == steps

    play(story, APP)


def test_set_then_fail_keeps_the_set(play: Play) -> None:
    """What a command has set before it fails stays: at once, after a step, and for whoever rebuilds the instance."""

    async def story(place: Place) -> None:
        first = await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Basket, "1", timeout=200)
        for name, item in (("add", "coffee"), ("add_fetched", "tea")):
            with pytest.raises(CommandFailed):
                await client.call(Basket, "1", name, item, timeout=200)
        with pytest.raises(CommandFailed, match="the receipt is lost"):
            await client.call(Till, "1", "pay", 500, timeout=200)
        for _ in range(2):
            assert await client.query(Basket, "1", "content", timeout=200) == ["coffee", "tea at attempt 1"]
            assert await client.query(Till, "1", "cents", timeout=200) == -501
            await place.stop(first)
            first = await place.node()
        await client.call(Basket, "1", "add", "cup", timeout=200)
        assert await client.result(Basket, "1", timeout=200) == ["coffee", "tea at attempt 1", "cup"]

    play(story, APP)


def test_completion_that_arrives_in_the_same_turn_as_return(play: Play) -> None:
    """The run returns by the first of them that came, once, and the other one is passed over."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        ids = [str(number) for number in range(5)]
        for id in ids:
            await client.start(Race, id, timeout=200)
        await asyncio.gather(place.worker(), *(client.send(Race, id, "stop") for id in ids))
        for id in ids:
            end = await client.result(Race, id, timeout=200)
            types = await place.types(f"Race/{id}")
            assert types.count("RunCompleted") == 1
            assert types[-1] == "RunCompleted"
            came_first = "told" if "TaskCompleted" not in types else "fetched"
            assert end == came_first

    play(story, APP)
