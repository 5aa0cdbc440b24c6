"""Cancellation, termination and what they mean to children and tasks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, ChildFailed, Failure, RunCancelled, RunFailed, RunTerminated, Workflow, command, task
from runtime import AlreadyFinished, Client, CommandFailed, InstanceTerminated
from tests.behaviours.conftest import Play
from tests.behaviours.place import Place

HEARD: list[str] = []


class Damaged(Failure):
    """What was shipped is broken."""


@task
async def book(what: str) -> str:
    return f"booked {what}"


@task
async def undo(what: str) -> str:
    return f"undid {what}"


@task(timeout=300)
async def carry(name: str) -> None:
    try:
        await asyncio.sleep(200)
    except asyncio.CancelledError:
        HEARD.append(name)
        raise


class Trip(Workflow):
    """Is under way until it is told that it has arrived."""

    def __init__(self) -> None:
        self.arrived = False

    async def run(self, seconds: float = 3600.0, result: str = "there") -> str:
        await book("room")
        try:
            await self.until(lambda: self.arrived, timeout=seconds)
        except TimeoutError:
            return await book("another day")
        except asyncio.CancelledError:
            await undo("room")
            raise
        return result

    @command
    def arrive(self) -> None:
        self.arrived = True

    @command
    async def wait(self) -> None:
        await self.until(lambda: False)


class Ship(Workflow):
    """A child: carries something, until somebody says how that ends."""

    def __init__(self) -> None:
        self.end = ""

    async def run(self, name: str, long: bool = False) -> str:
        if long:
            await carry(name)
        await self.until(lambda: self.end)
        if self.end == "damaged":
            raise Damaged(f"{name} is damaged")
        return f"{name} {self.end}"

    @command
    def finish(self, how: str) -> None:
        self.end = how


class Fleet(Workflow):
    """A parent, or a parent of parents."""

    async def run(self, ships: int, fleets: int = 0, long: bool = False) -> list[str]:
        below: list[Any] = [self.start_child(Fleet, f"{self.id}-{n}", ships) for n in range(fleets)]
        below += [self.execute(Ship, f"{self.id}-s{n}", f"ship {n}", long) for n in range(ships)]
        ended = await asyncio.gather(*below, return_exceptions=True)
        return [f"{type(end).__name__} {end.type}" if isinstance(end, ChildFailed) else str(end) for end in ended]


APP = App(actors=[Trip, Ship, Fleet], tasks=[book, undo, carry])


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    HEARD.clear()


async def _on_the_way(place: Place, client: Client, *args: Any) -> None:
    """Start a trip, and wait until nothing but a person's word moves it."""
    await client.start(Trip, "1", *args)
    await place.until(lambda: place.has("Trip/1", "TimerSet"))


async def _has(place: Place, stream: str, type: str) -> None:
    await place.until(lambda: place.has(stream, type), what=f"{type} of {stream}")


def test_cancel_before_first_run(play: Play) -> None:
    """The request waits with the start where nobody hosts the instance yet."""

    async def story(place: Place) -> None:
        await place.stop(await place.node())  # its queues stay
        client = await place.client()
        begin = asyncio.ensure_future(client.start(Trip, "1", timeout=60))
        cancel = asyncio.ensure_future(client.cancel(Trip, "1", "at once", timeout=60))
        await asyncio.sleep(0)
        await place.node()
        await place.worker()
        assert await begin is True
        assert await cancel is True
        with pytest.raises(RunCancelled, match="at once"):
            await client.result(Trip, "1", timeout=60)
        assert (await place.types("Trip/1"))[-1] == "RunCancelled"

    play(story, APP)


def test_clean_up_runs_before_the_end_over_the_death_of_its_node(play: Play) -> None:
    """Nobody can do its task until the node is another one."""

    async def story(place: Place) -> None:
        first = await place.node()
        worker = await place.worker()
        client = await place.client()
        await _on_the_way(place, client)
        await place.stop(worker)
        assert await client.cancel(Trip, "1") is True
        await place.kill(first)
        await place.node()
        await place.worker()
        with pytest.raises(RunCancelled):
            await client.result(Trip, "1", timeout=60)
        assert (await place.types("Trip/1"))[-4:] == [
            "CancelRequested", "TaskScheduled", "TaskCompleted", "RunCancelled",
        ]  # fmt: skip

    play(story, APP)


def test_cancel_and_timer_in_the_same_turn(play: Play) -> None:
    """One of them is first, and the history tells which; the run ends once, by that."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _on_the_way(place, client, 0.2)
        cancel = client.cancel(Trip, "1", command_id="c")
        ends = await asyncio.gather(cancel, client.result(Trip, "1"), return_exceptions=True)
        types = await place.types("Trip/1")
        if isinstance(ends[0], AlreadyFinished):
            assert "CancelRequested" not in types
        if "TimerFired" not in types:
            assert isinstance(ends[1], RunCancelled)
        assert types[-1] == ("RunCancelled" if isinstance(ends[1], RunCancelled) else "RunCompleted")

    play(story, APP)


def test_cancel_and_condition_in_the_same_turn(play: Play) -> None:
    """The command that makes the condition true, and the request: whichever comes first decides."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _on_the_way(place, client)
        both = client.call(Trip, "1", "arrive"), client.cancel(Trip, "1")
        told, asked = await asyncio.gather(*both, return_exceptions=True)
        types = await place.types("Trip/1")
        if "CancelRequested" not in types:
            assert (told, type(asked)) == (None, AlreadyFinished)
            assert await client.result(Trip, "1") == "there"
        else:
            with pytest.raises(RunCancelled):
                await client.result(Trip, "1")

    play(story, APP)


def test_cancel_and_child_completion_in_the_same_turn(play: Play) -> None:
    """The parent is cancelled while its child ends: each ends once, and the parent says what it knew."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Fleet, "1", 1)
        await place.until(lambda: place.has("Ship/1-s0", "RunStarted"))
        both = client.call(Ship, "1-s0", "finish", "arrived"), client.cancel(Fleet, "1")
        await asyncio.gather(*both, return_exceptions=True)
        end = (await asyncio.gather(client.result(Fleet, "1"), return_exceptions=True))[0]
        assert isinstance(end, RunCancelled) or end == ["ship 0 arrived"]
        await asyncio.gather(client.result(Ship, "1-s0"), return_exceptions=True)
        for stream in ("Fleet/1", "Ship/1-s0"):
            ends = [type for type in await place.types(stream) if type.startswith("Run")]
            assert len(ends) == 2, ends

    play(story, APP)


def test_unfinished_handlers_of_a_cancelled_run(play: Play) -> None:
    """Their callers hear that the run was cancelled."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _on_the_way(place, client)
        waiting = asyncio.ensure_future(client.call(Trip, "1", "wait", timeout=60))
        await place.until(lambda: place.has("Trip/1", "CommandReceived"))
        await client.cancel(Trip, "1")
        with pytest.raises(CommandFailed) as failed:
            await waiting
        assert failed.value.type == "RunCancelled"
        assert (await place.types("Trip/1"))[-2:] == ["CommandFailed", "RunCancelled"]

    play(story, APP)


def test_terminate_tells_everybody_who_waits(play: Play) -> None:
    """For the result, and for a command; the reason is in the history."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _on_the_way(place, client)
        result = asyncio.ensure_future(client.result(Trip, "1", timeout=60))
        waiting = asyncio.ensure_future(client.call(Trip, "1", "wait", timeout=60))
        await place.until(lambda: place.has("Trip/1", "CommandReceived"))
        assert await client.terminate(Trip, "1", "by hand") is True
        with pytest.raises(RunTerminated, match="by hand"):
            await result
        with pytest.raises(InstanceTerminated):
            await waiting
        assert (await place.log("Trip/1"))[-1][1]["reason"] == "by hand"

    play(story, APP)


def test_child_failure_and_child_terminated(play: Play) -> None:
    """Each reaches the parent, by a class and a name of its own; and so does a child that was cancelled."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        await client.start(Fleet, "1", 4)
        for n in range(4):
            await _has(place, f"Ship/1-s{n}", "RunStarted")
        await client.call(Ship, "1-s0", "finish", "damaged")
        await client.terminate(Ship, "1-s1")
        await client.cancel(Ship, "1-s2")
        await client.call(Ship, "1-s3", "finish", "arrived")
        assert await client.result(Fleet, "1", timeout=60) == [
            "ChildFailed Damaged", "ChildTerminated ChildTerminated", "ChildCancelled ChildCancelled", "ship 3 arrived",
        ]  # fmt: skip

    play(story, APP)


@pytest.mark.parametrize("how", ["cancel", "terminate"])
def test_kill_reaches_the_whole_tree(play: Play, how: str) -> None:
    """Parents, children and theirs, in every partition, over the death of a node."""

    async def story(place: Place) -> None:
        first = await place.node()
        client = await place.client()
        await client.start(Fleet, "1", 2, 2)
        leaves = [f"Ship/1-s{n}" for n in range(2)] + [f"Ship/1-{f}-s{n}" for f in range(2) for n in range(2)]
        for leaf in leaves:
            await _has(place, leaf, "RunStarted")
        if how == "cancel":
            await client.cancel(Fleet, "1")
        else:
            await client.terminate(Fleet, "1", tree=True)
        await place.kill(first)
        await place.node()
        end = "RunCancelled" if how == "cancel" else "RunTerminated"
        for stream in ["Fleet/1", "Fleet/1-0", "Fleet/1-1", *leaves]:
            await _has(place, stream, end)

    play(story, APP)


def test_tasks_are_told(play: Play) -> None:
    """A worker that runs what nobody waits for any more cancels it, whoever ended the waiting."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Fleet, "1", 2, 0, True)
        for n in range(2):
            await _has(place, f"Ship/1-s{n}", "TaskScheduled")
        await client.cancel(Fleet, "1")
        await place.until(lambda: set(HEARD) == {"ship 0", "ship 1"}, what="both tasks are told")

    play(story, APP)


def test_a_cancelled_or_terminated_run_is_a_failed_one_to_whom_it_is_all_one(play: Play) -> None:
    """And one that has ended answers clearly."""

    async def story(place: Place) -> None:
        await place.node()
        client = await place.client()
        for id in ("a", "b"):
            await client.start(Ship, id, id)
        await client.cancel(Ship, "a")
        await client.terminate(Ship, "b")
        for id, word in (("a", "cancelled"), ("b", "terminated")):
            with pytest.raises(RunFailed):
                await client.result(Ship, id)
            with pytest.raises(AlreadyFinished, match=rf"has ended \({word}\)"):
                await client.cancel(Ship, id)

    play(story, APP)
