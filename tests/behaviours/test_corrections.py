"""Putting a workflow right by hand."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from msgspec import Struct

from actors import (
    Actor,
    App,
    Retry,
    RunCancelled,
    RunFailed,
    RunTerminated,
    RunTimedOut,
    TaskError,
    Workflow,
    command,
    query,
    task,
)
from runtime import AlreadyFinished, CommandInvalid, Conflict, InstanceStuck, NotFound
from tests.behaviours.conftest import Play
from tests.behaviours.modes import MODES, PLAIN
from tests.behaviours.place import MemoryPlace, Place, Story, in_memory


@task
async def price(item: str) -> int:
    return len(item)


class Sale(Workflow):
    """Prices each item that it is told of, until it is told to close."""

    def __init__(self) -> None:
        self.total = 0
        self.closed = False

    async def run(self, item: str) -> int:
        self.total += await price(item)
        await self.until(lambda: self.closed)
        return self.total

    @command
    async def add(self, item: str) -> int:
        self.total += await price(item)
        return self.total

    @command
    def close(self) -> None:
        self.closed = True

    @query
    def so_far(self) -> int:
        return self.total


class Cash(Struct):
    cents: int = 0


class Till(Actor):
    state: Cash

    @query
    def empty(self) -> bool:
        return not self.state.cents


APP = App(actors=[Sale, Till], tasks=[price])


@pytest.fixture(params=[PLAIN, *MODES], ids=lambda mode: mode.name)
def recall(request: pytest.FixtureRequest) -> Play:
    """Plays a story in memory only, in all modes: what it is about is none of the adapters' business."""

    def in_this_mode(story: Story, app: App) -> None:
        in_memory(story, app, request.param)

    return in_this_mode


async def _priced(place: Place, client: Any) -> None:
    await client.start(Sale, "1", "tea")
    await place.until(lambda: place.has("Sale/1", "TaskCompleted"))


async def _status(client: Any) -> str:
    (row,) = await client.list(Sale)
    return str(row.execution.status)


def test_a_paused_workflow_takes_what_comes_and_goes_on_when_it_is_resumed(play: Play) -> None:
    """Its node dies meanwhile: the next one holds it, too. Nothing is lost, and the history says who did it and why."""

    async def story(place: Place) -> None:
        first = await place.node()
        await place.worker()
        client = await place.client()
        await _priced(place, client)
        assert await client.corrections.pause(Sale, "1", "audit", by="ann")
        await place.kill(first)
        await place.node()
        for item in ("cup", "pot"):
            await client.submit(Sale, "1", "add", item, timeout=60)
        done = asyncio.ensure_future(client.call(Sale, "1", "close", timeout=60))
        await place.until(lambda: _count(place, "CommandReceived", 3))
        assert (await _status(client), await client.query(Sale, "1", "so_far", timeout=60)) == ("paused", 3)
        assert not await client.corrections.pause(Sale, "1")
        assert await client.corrections.resume(Sale, "1", "all is well", by="bob", timeout=60)
        await done
        assert await client.result(Sale, "1", timeout=60) == 3
        by_hand = [data for type, data in await place.log("Sale/1") if type in {"Paused", "Unpaused"}]
        assert [(data["by"], data["reason"]) for data in by_hand] == [("ann", "audit"), ("bob", "all is well")]

    play(story, APP)


async def _count(place: Place, type: str, count: int) -> bool:
    return (await place.types("Sale/1")).count(type) == count


def test_a_request_that_comes_again_does_nothing_again(recall: Play) -> None:
    """Also when others came between, and when the run has ended; as something else it is a conflict."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _priced(place, client)
        corrections = client.corrections
        assert await corrections.pause(Sale, "1", command_id="p")
        assert await corrections.resume(Sale, "1", command_id="r")
        assert await corrections.pause(Sale, "1", command_id="p")
        assert await _status(client) == "running"
        with pytest.raises(Conflict, match="request p was carried out on Sale/1: pause"):
            await corrections.resume(Sale, "1", command_id="p")
        await client.call(Sale, "1", "close")
        assert await corrections.resume(Sale, "1", command_id="r")
        with pytest.raises(AlreadyFinished, match=r"has ended \(completed\)"):
            await corrections.pause(Sale, "1")

    recall(story, APP)


def test_nothing_to_pause_or_to_resume_is_said_clearly(recall: Play) -> None:
    """Neither what is not there, nor an actor, nor what is not paused."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        with pytest.raises(NotFound):
            await client.corrections.pause(Sale, "2")  # said again it would hold what has begun since
        with pytest.raises(CommandInvalid, match="Till is an actor: it has no run to put right"):
            await client.corrections.pause(Till, "1")
        await _priced(place, client)
        assert not await client.corrections.resume(Sale, "1")
        await client.call(Sale, "1", "close")

    recall(story, APP)


@pytest.mark.parametrize("end", ["cancel", "terminate", "time"])
def test_a_paused_workflow_can_end(recall: Play, end: str) -> None:
    """By a termination or its timeout at once; a request to cancel waits for it."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Sale, "1", "tea", run_timeout=30 if end == "time" else None)
        await place.until(lambda: place.has("Sale/1", "TaskCompleted"))
        await client.corrections.pause(Sale, "1")
        if end == "cancel":
            assert await client.cancel(Sale, "1")
            assert await _status(client) == "paused"
            await client.corrections.resume(Sale, "1")
        elif end == "terminate":
            assert await client.terminate(Sale, "1")
        with pytest.raises((RunCancelled, RunTerminated, RunTimedOut)):
            await client.result(Sale, "1", timeout=60)
        assert await _status(client) == {"cancel": "cancelled", "terminate": "terminated", "time": "timed_out"}[end]

    recall(story, APP)


def test_a_fork_of_a_paused_workflow_goes_on(recall: Play) -> None:
    """With what came until then; the original stays held."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _priced(place, client)
        await client.corrections.pause(Sale, "1")
        await client.submit(Sale, "1", "close")
        assert await client.fork(Sale, "1", "2", at=len(await place.types("Sale/1")))
        assert await client.result(Sale, "2", timeout=60) == 3
        assert (await place.types("Sale/1"))[-1] == "CommandReceived"
        await client.corrections.resume(Sale, "1")
        assert await client.result(Sale, "1", timeout=60) == 3

    recall(story, APP)


def test_a_stuck_workflow_that_is_paused_is_not_tried_again(recall: Play) -> None:
    """Until somebody lets it go on: then it is tried at once, and from then on as before."""
    code = {"mended": False}

    class Odd(Workflow):
        async def run(self) -> int:
            n = await price("tea")
            if not code["mended"]:
                raise KeyError("a mistake")
            return n

    async def story(place: Place) -> None:
        assert isinstance(place, MemoryPlace)
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Odd, "1")
        await place.until(lambda: place.has("Odd/1", "Stuck"))
        assert await client.corrections.pause(Odd, "1", "until tomorrow", by="ann")
        code["mended"] = True
        await place.world.pass_time(300)
        assert (await place.types("Odd/1"))[-1] == "Paused"
        assert await client.corrections.resume(Odd, "1")
        assert await client.result(Odd, "1", timeout=60) == 3
        assert (await place.types("Odd/1"))[-3:] == ["Unpaused", "Resumed", "RunCompleted"]

    recall(story, App(actors=[Odd], tasks=[price]))


@task(retry=Retry(max_attempts=5, first_delay=3600, jitter=0))
async def reach_bank(customer: str) -> int:
    raise OSError("the line is dead")


class Loan(Workflow):
    """Asks a bank that nobody reaches."""

    async def run(self, customer: str) -> int:
        return await reach_bank(customer) * 2


LOANS = App(actors=[Loan], tasks=[reach_bank])


async def _tried(place: Place, client: Any) -> None:
    await client.start(Loan, "1", "ann")
    await place.until(lambda: place.has("Loan/1", "TaskAttemptFailed"))


def test_a_step_is_settled_by_hand(play: Play) -> None:
    """The run goes on with it, also when the node dies; the task is not tried again, and the history says who did it and why."""

    async def story(place: Place) -> None:
        first = await place.node()
        await place.worker()
        client = await place.client()
        await _tried(place, client)
        await client.corrections.skip(
            Loan, "1", 1, result=21, reason="they phoned", by="ann", command_id="s", timeout=60
        )
        await place.kill(first)
        await place.node()
        await client.corrections.skip(Loan, "1", 1, result=21, command_id="s", timeout=60)
        assert await client.result(Loan, "1", timeout=60) == 42
        settled = [data for type, data in await place.log("Loan/1") if type == "TaskCompleted"]
        assert [data["correction"] for data in settled] == [{"id": "s", "reason": "they phoned", "by": "ann"}]

    play(story, LOANS)


def test_a_step_that_is_made_to_fail_is_a_failure_to_the_code(recall: Play) -> None:
    """Uncaught, it ends the run with the failure's type and message."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _tried(place, client)
        await client.corrections.skip(Loan, "1", 1, fail="closed", error="NoBank")
        with pytest.raises(RunFailed, match="NoBank: closed"):
            await client.result(Loan, "1", timeout=60)

    recall(story, LOANS)


def test_what_can_not_be_settled_is_refused_and_says_what_can(recall: Play) -> None:
    """A wrong result, a step that is not open, one that nobody has asked for, an instance that has ended."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _tried(place, client)
        skip = client.corrections.skip
        with pytest.raises(CommandInvalid, match=r"the result does not fit what #1, .*reach_bank"):
            await skip(Loan, "1", 1, result="much")
        with pytest.raises(CommandInvalid, match=r"#7 is not open; open are task #1 .*reach_bank"):
            await skip(Loan, "1", 7, result=1)
        with pytest.raises(CommandInvalid, match="#1 needs what it is to give"):
            await skip(Loan, "1", 1)
        assert "TaskCompleted" not in await place.types("Loan/1")
        await skip(Loan, "1", 1, result=1, command_id="s")
        with pytest.raises(Conflict, match="request s was carried out on Loan/1: skip #1"):
            await skip(Loan, "1", 2, result=1, command_id="s")
        with pytest.raises(AlreadyFinished, match=r"has ended \(completed\)"):
            await skip(Loan, "1", 1, result=2)

    recall(story, LOANS)


def test_the_step_of_a_stuck_workflow_is_settled_by_hand(recall: Play) -> None:
    """The correction is recorded while it is stuck; mended code goes on with it."""
    code = {"mended": False}

    class Twice(Workflow):
        async def run(self) -> int:
            other = asyncio.ensure_future(reach_bank("other"))
            await asyncio.sleep(0.1)
            if not code["mended"]:
                raise KeyError("a mistake")
            return await other

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Twice, "1")
        await place.until(lambda: place.has("Twice/1", "Stuck"))
        await client.corrections.skip(Twice, "1", 2, result=5, by="ann", command_id="s")
        code["mended"] = True
        assert await client.result(Twice, "1", timeout=60) == 5

    recall(story, App(actors=[Twice], tasks=[reach_bank]))


class Bank:
    """Whether it is open; a story changes it."""

    open = False


@task(retry=Retry(max_attempts=2, first_delay=0.05, jitter=0))
async def transfer(cents: int) -> int:
    if not Bank.open:
        raise OSError("closed")
    return cents


@task
async def look_up(customer: str) -> int:
    return len(customer)


class Payout(Workflow):
    """Looks two things up, and pays; a second payment waits meanwhile for what the first one has no part in."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.approved = False

    async def run(self, customer: str, wait: bool = False, clean: bool = False) -> list[int]:
        cents = await look_up(customer)
        other = asyncio.ensure_future(self.until(lambda: self.approved, timeout=3600)) if wait else None
        try:
            async with asyncio.timeout(600):
                self.paid.append(await transfer(cents))
        except TaskError:
            if clean:
                await look_up("clean up")
            raise
        if other is not None:
            await other
        return self.paid

    @command
    def approve(self) -> None:
        self.approved = True


class Payroll(Workflow):
    async def run(self, customer: str) -> list[int]:
        return list(await self.execute(Payout, f"{self.id}-1", customer))


PAYOUTS = App(actors=[Payout, Payroll], tasks=[transfer, look_up])


@pytest.fixture(autouse=True)
def _closed() -> None:
    Bank.open = False


async def _failed(place: Place, client: Any, *args: Any) -> None:
    await client.start(Payout, "1", "ann", *args)
    with pytest.raises(RunFailed, match="closed"):
        await client.result(Payout, "1", timeout=60)


def test_a_failed_workflow_is_retried_from_its_failed_step(play: Play) -> None:
    """Under the same number and with all attempts before it; no step before is done again, and nothing is taken out of its history."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _failed(place, client)
        failed = await place.log("Payout/1")
        assert await client.corrections.retry(Payout, "1", "the bank is back", by="ann", command_id="r")
        with pytest.raises(RunFailed, match="closed"):  # it is not yet
            await client.result(Payout, "1", timeout=60)
        Bank.open = True
        assert await client.corrections.retry(Payout, "1", by="bob")
        assert await client.corrections.retry(Payout, "1", command_id="r")
        assert await client.result(Payout, "1", timeout=60) == [3]
        log = await place.log("Payout/1")
        assert log[: len(failed)] == failed
        types = [type for type, _ in log[len(failed) :]]
        assert types == [
            "RunRetried", "Resumed", "TaskAttemptFailed", "TaskFailed", "RunFailed",
            "RunRetried", "Resumed", "TaskCompleted", "RunCompleted",
        ]  # fmt: skip
        attempts = [data["attempt"] for type, data in log if type == "TaskAttemptFailed"]
        assert attempts == [1, 3]
        (row,) = await client.list(Payout)
        assert (row.execution.status, row.execution.error) == ("completed", None)

    play(story, PAYOUTS)


def test_what_was_open_when_it_failed_is_open_again(recall: Play) -> None:
    """A timer is as much later as the run had ended; its timeout, too; commands are taken again; a fork goes on from there."""

    async def story(place: Place) -> None:
        assert isinstance(place, MemoryPlace)
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Payout, "1", "ann", True, run_timeout=1200)
        with pytest.raises(RunFailed, match="closed"):
            await client.result(Payout, "1", timeout=60)
        await place.world.pass_time(200)
        Bank.open = True
        assert await client.corrections.retry(Payout, "1")
        await place.until(lambda: place.has("Payout/1", "TaskCompleted"))
        await place.world.pass_time(5)
        assert (await client.list(Payout))[0].execution.status == "running"
        assert await client.fork(Payout, "1", "2", at=len(await place.types("Payout/1")))
        for id in ("1", "2"):
            await client.call(Payout, id, "approve")
            assert await client.result(Payout, id, timeout=60) == [3]

    recall(story, PAYOUTS)


def test_a_parent_is_retried_after_its_child() -> None:
    """Else the child says the same again."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Payroll, "p", "ann")
        with pytest.raises(RunFailed):
            await client.result(Payroll, "p", timeout=60)
        assert await client.corrections.retry(Payroll, "p")
        with pytest.raises(RunFailed):
            await client.result(Payroll, "p", timeout=60)
        Bank.open = True
        assert await client.corrections.retry(Payout, "p-1")
        assert await client.result(Payout, "p-1", timeout=60) == [3]
        assert await client.corrections.retry(Payroll, "p")
        assert await client.result(Payroll, "p", timeout=60) == [3]

    in_memory(story, PAYOUTS)


def test_what_can_not_be_retried_is_refused_and_says_what_to_do(recall: Play) -> None:
    """One that runs, has completed, was ended, or whose code went on after the failed step."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        retry = client.corrections.retry
        await _failed(place, client, False, True)
        with pytest.raises(CommandInvalid, match=r"TaskCompleted\(#4\) made it fail, .*fork --at"):
            await retry(Payout, "1")
        await client.start(Payout, "2", "ann", True)
        assert await retry(Payout, "2") is False
        await client.corrections.pause(Payout, "2")
        with pytest.raises(CommandInvalid, match="Payout/2 is paused"):
            await retry(Payout, "2")
        await client.terminate(Payout, "2")
        with pytest.raises(AlreadyFinished, match=r"\(terminated\) and has no failed step"):
            await retry(Payout, "2")

    recall(story, PAYOUTS)


def test_a_stuck_workflow_is_tried_at_once(recall: Play) -> None:
    """And not after its pause; it is said if it does not go on."""
    code = {"mended": False}

    class Odd(Workflow):
        async def run(self) -> int:
            n = await price("tea")
            if not code["mended"]:
                raise KeyError("a mistake")
            return n

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Odd, "1")
        await place.until(lambda: place.has("Odd/1", "Stuck"))
        with pytest.raises(InstanceStuck, match="tried just now"):
            await client.corrections.retry(Odd, "1")
        code["mended"] = True
        with suppress(AlreadyFinished):  # by another node, which tried it first
            await client.corrections.retry(Odd, "1")
        assert await client.result(Odd, "1", timeout=60) == 3

    recall(story, App(actors=[Odd], tasks=[price]))


class Tour(Workflow):
    """Goes from one stop to the next in runs of its own; at the last one it stays until it may end."""

    def __init__(self) -> None:
        self.home = False

    async def run(self, stops: int, stop: int = 1) -> list[Any]:
        if stop < stops:
            self.continue_as_new(stops, stop + 1)
        await self.until(lambda: self.home)
        return [stops, stop, await price("tea")]

    @command
    def go_home(self) -> None:
        self.home = True


class Trips(Workflow):
    async def run(self) -> Any:
        return await self.execute(Tour, f"{self.id}-1", 1)


TOURS = App(actors=[Tour, Trips, Payout], tasks=[price, transfer, look_up])


async def _starts(place: Place, stream: str = "Tour/1") -> list[Any]:
    return [data for type, data in await place.log(stream) if type == "RunStarted"]


async def _toured(client: Any, id: str = "1") -> Any:
    await client.call(Tour, id, "go_home", timeout=60)
    return await client.result(Tour, id, timeout=60)


def test_an_ended_workflow_is_restarted_with_what_it_was_started_with(play: Play) -> None:
    """In its own stream, with who did it and why. A request that comes again does nothing again, also after yet another restart."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        with pytest.raises(NotFound):
            await client.corrections.restart(Tour, "nobody")
        noted: Any = {"memo": {"for": "ann"}, "search_attributes": {"region": "north"}, "run_timeout": 3600.0}
        await client.start(Tour, "1", 2, command_id="first", correlation_id="flow", **noted)
        assert await _toured(client) == [2, 2, 3]
        before = await place.log("Tour/1")
        again: Any = {"by": "eve", "command_id": "r1", "timeout": 60}
        await client.corrections.restart(Tour, "1", "it rained", **again)
        await client.corrections.restart(Tour, "1", "it rained", **again)
        assert await _toured(client) == [2, 2, 3]
        await client.corrections.restart(Tour, "1", input={"stops": 1}, command_id="r2", timeout=60)
        assert await _toured(client) == [1, 1, 3]
        for _ in range(2):
            await client.corrections.restart(Tour, "1", "it rained", **again)
        with pytest.raises(Conflict, match="other input"):
            await client.corrections.restart(Tour, "1", input={"stops": 7}, command_id="r1", timeout=60)
        assert await client.result(Tour, "1", timeout=60) == [1, 1, 3]
        assert not await client.start(Tour, "1", 1, timeout=60)
        assert (await place.log("Tour/1"))[: len(before)] == before
        started = await _starts(place)
        assert [one.get("correction") for one in started] == [
            None, {"id": "r1", "reason": "it rained", "by": "eve"}, {"id": "r2"}
        ]  # fmt: skip
        assert [(one["input"]["stops"], one["memo"], one["attributes"]) for one in started] == [
            (stops, {"for": "ann"}, {"region": "north"}) for stops in (2, 2, 1)
        ]
        assert all(one["deadline"] > started[0]["deadline"] - 1 for one in started)
        (row,) = await client.list(Tour)
        assert (row.execution.status, row.execution.correlation_id) == ("completed", "flow")

    play(story, TOURS)


def test_only_what_has_ended_is_restarted_and_the_refusal_says_what_to_do() -> None:
    """One that runs, is paused, is stuck, is somebody's child, or gets what does not fit: nothing is recorded."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        restart = client.corrections.restart
        await client.start(Tour, "1", 1)
        with pytest.raises(CommandInvalid, match=r"Tour/1 is running, .*terminate it first"):
            await restart(Tour, "1")
        await client.corrections.pause(Tour, "1", command_id="hold")
        with pytest.raises(CommandInvalid, match="Tour/1 is paused"):
            await restart(Tour, "1")
        with pytest.raises(Conflict, match="pause"):
            await restart(Tour, "1", command_id="hold")
        await client.terminate(Tour, "1", by="ann")
        types = await place.types("Tour/1")
        with pytest.raises(CommandInvalid, match="stop"):
            await restart("Tour", "1", input={"stop": "last"})
        await client.start(Trips, "t")
        await place.until(lambda: place.has("Tour/t-1", "RunStarted"))
        assert await _toured(client, "t-1") == [1, 1, 3]
        with pytest.raises(CommandInvalid, match=r"Tour/t-1 is the child of Trips/t, .*rerun"):
            await restart(Tour, "t-1")
        assert await place.types("Tour/1") == types
        assert len(await _starts(place, "Tour/t-1")) == 1
        await restart(Tour, "1")
        assert await _toured(client) == [1, 1, 3]

    in_memory(story, TOURS)


def test_a_restarted_workflow_that_fails_is_retried_in_its_own_run(recall: Play) -> None:
    """And not in the run before, whose failed step is over."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await _failed(place, client)
        await client.corrections.restart(Payout, "1", command_id="r")
        with pytest.raises(RunFailed, match="closed"):
            await client.result(Payout, "1", timeout=60)
        Bank.open = True
        assert await client.corrections.retry(Payout, "1")
        await client.corrections.restart(Payout, "1", command_id="r")
        assert await client.result(Payout, "1", timeout=60) == [3]
        types = await place.types("Payout/1")
        assert (types.count("RunStarted"), types[-4:]) == (
            2,
            ["RunRetried", "Resumed", "TaskCompleted", "RunCompleted"],
        )

    recall(story, TOURS)


def test_a_restart_that_comes_again_leaves_alone_what_began_anew_after_a_deletion(recall: Play) -> None:
    """It was the deleted instance's."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        await client.start(Tour, "1", 1)
        await _toured(client)
        await client.corrections.restart(Tour, "1", command_id="r")
        await _toured(client)
        await client.delete(Tour, "1")
        await client.corrections.restart(Tour, "1", command_id="r")
        await client.start(Tour, "1", 2)
        await client.corrections.restart(Tour, "1", command_id="r")
        assert await _toured(client) == [2, 2, 3]
        await client.corrections.restart(Tour, "1", command_id="r")
        assert await client.result(Tour, "1", timeout=60) == [2, 2, 3]
        assert len(await _starts(place)) == 1

    recall(story, TOURS)


def test_who_cancels_or_terminates_is_kept(recall: Play) -> None:
    """In the event, as with what else is done by hand."""

    async def story(place: Place) -> None:
        await place.node()
        await place.worker()
        client = await place.client()
        for id in ("1", "2"):
            await client.start(Tour, id, 1)
        await client.cancel(Tour, "1", "fog", by="ann")
        await client.terminate(Tour, "2", "fog", by="bob")
        with pytest.raises(RunCancelled):
            await client.result(Tour, "1", timeout=60)
        assert ("CancelRequested", "ann") in [(type, data.get("by")) for type, data in await place.log("Tour/1")]
        assert ("RunTerminated", "bob") in [(type, data.get("by")) for type, data in await place.log("Tour/2")]

    recall(story, TOURS)
