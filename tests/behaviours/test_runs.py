"""Runs: starting over, ending in time, being started again, and a task for each of many items."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, ChildTimedOut, RunTimedOut, Workflow, command, task
from runtime import AlreadyFinished, Conflict
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place


@task
async def double(n: int) -> int:
    return 2 * n


class Rounds(Workflow):
    """Each round takes two items, three rounds in all."""

    def __init__(self) -> None:
        self.items: list[int] = []
        self.round = 0

    async def run(self, round: int = 1, total: int = 0) -> int:
        self.round = round
        await self.until(lambda: len(self.items) >= 2)
        total += sum(self.items)
        return total if round == 3 else self.continue_as_new(round + 1, total)

    @command
    async def add(self, n: int) -> int:
        doubled = await double(n)
        self.items.append(doubled)
        return doubled

    @command(carry_over=True)
    async def reach(self, round: int) -> int:
        await self.until(lambda: self.round >= round)
        return self.round


class Slow(Workflow, timeout=0.3):
    async def run(self) -> None:
        await self.until(lambda: False)


class Parent(Workflow):
    async def run(self) -> str:
        try:
            await self.execute(Slow, self.id)
        except ChildTimedOut as late:
            return late.type
        return "in time"


class Patient(Workflow):
    async def run(self) -> str:
        await self.until(lambda: False)
        return "never"


class Hurried(Workflow):
    """Gives its children less time than their class does, which gives them all they want."""

    async def run(self) -> list[str]:
        left = self.start_child(Patient, f"{self.id}-left", run_timeout=0.3)
        ends = await asyncio.gather(
            left, self.execute(Patient, f"{self.id}-awaited", run_timeout=0.2), return_exceptions=True
        )
        return [type(end).__name__ for end in ends]


class Doubled(Workflow):
    async def run(self, count: int, at_most: int | None = None) -> int:
        return sum(await self.map(double, range(count), at_most=at_most))


APP = App(actors=[Rounds, Slow, Parent, Patient, Hurried, Doubled], tasks=[double])


def test_commands_blocking_and_not_blocking_continue_as_new(play: Play) -> None:
    """A handler that is under way ends first; one that may be carried over goes on in the next run. Each is answered once."""

    async def story(place: Place) -> None:
        first = await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Rounds, "1")
        waiting = [
            asyncio.ensure_future(client.call(Rounds, "1", "reach", n, command_id=f"r{n}", timeout=40)) for n in (2, 3)
        ]
        for n in range(1, 6):
            assert await client.call(Rounds, "1", "add", n, command_id=f"a{n}", timeout=40) == 2 * n
            if n == 3:
                await place.kill(first)
                await place.node()
        assert await asyncio.gather(*waiting) == [2, 3]
        assert await client.call(Rounds, "1", "add", 1, command_id="a1", timeout=40) == 2, "a former run's command"
        assert await client.call(Rounds, "1", "reach", 2, command_id="r2", timeout=40) == 2
        result = asyncio.ensure_future(client.result(Rounds, "1", timeout=40))
        await client.call(Rounds, "1", "add", 6, timeout=40)
        assert await result == 42
        types = await place.types("Rounds/1")
        assert (types.count("CommandReceived"), types.count("RunContinued")) == (8, 2)

    play(story, APP)


def test_child_timed_out(play: Play) -> None:
    """Its parent hears so, and so does who waits for its result."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        assert await client.execute(Parent, "1", timeout=40) == "ChildTimedOut"
        with pytest.raises(RunTimedOut):
            await client.result(Slow, "1", timeout=40)

    play(story, APP)


def test_a_child_with_a_timeout_of_its_own(play: Play) -> None:
    """It is the parent's word for this child, kept with its start: the class has none."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        assert await client.execute(Hurried, "1", timeout=40) == ["ChildTimedOut", "ChildTimedOut"]
        for child in ("1-left", "1-awaited"):
            assert await place.types(f"Patient/{child}") == ["RunStarted", "RunTimedOut"]
            with pytest.raises(RunTimedOut):
                await client.result(Patient, child, timeout=40)

    play(story, APP)


def test_duplicate_start_attaches(play: Play) -> None:
    """Or is refused, or starts the ended instance again, once, as the start says."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        assert await client.execute(Doubled, "1", 2, timeout=40) == 2
        assert await client.start(Doubled, "1", 2) is False
        with pytest.raises(AlreadyFinished):
            await client.start(Doubled, "1", 2, reuse="refuse")
        for _ in range(3):
            again: Any = client.execute(Doubled, "1", 3, command_id="again", reuse="restart", timeout=40)
            assert await again == 6
        assert (await place.types("Doubled/1")).count("RunStarted") == 2
        assert await client.execute(Doubled, "1", 4, reuse="restart", timeout=40) == 12
        with pytest.raises(Conflict):  # the result is another start's by now
            await client.execute(Doubled, "1", 3, command_id="again", reuse="restart", timeout=40)

    play(story, APP)


def test_a_map_over_many_items(play: Play) -> None:
    """All at once, and a few at a time."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        items = 1500 if place.calm else 60
        assert await client.execute(Doubled, "1", items, timeout=600) == items * (items - 1)
        assert await client.execute(Doubled, "2", 50, 7, timeout=40) == 50 * 49
        types = await place.types("Doubled/1")
        assert (types.count("TasksScheduled"), types.count("TaskCompleted")) == (2 if place.calm else 1, items)

    play(story, APP)
