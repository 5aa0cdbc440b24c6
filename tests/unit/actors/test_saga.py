"""Sagas: what was done is undone, the last step first, whatever ends the block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import CompensationFailed, DefinitionError, Failure, Rejected, RunCancelled, Saga, Workflow, task
from actors.testing import WorkflowTest, crash_everywhere, in_turn


@task
async def book(what: str) -> str:
    return what


@task
async def undo(what: str) -> None: ...


@task
async def pay() -> None: ...


class Trip(Workflow):
    async def run(self) -> str:
        async with Saga() as saga:
            for what in ("hotel", "flight", "car"):
                saga.compensate(undo, await book(what))
            await pay()
        return "booked"


class Caught(Workflow):
    async def run(self) -> Any:
        try:
            async with Saga() as saga:
                saga.compensate(undo, "hotel")
                saga.compensate(undo, what="flight")
                raise Rejected("no seats")
        except CompensationFailed as failed:
            return [failed.details, str(failed.__cause__)]


def undone(run: WorkflowTest) -> list[Any]:
    return [call.args["what"] for call in run.calls(undo)]


def echo(what: str) -> str:
    return what


def test_nothing_is_undone_when_all_goes_well() -> None:
    """The compensations are forgotten."""
    run = WorkflowTest(Trip, tasks={book: echo, undo: None, pay: None})
    assert run.start(Trip, "1").result() == "booked"
    assert undone(run) == []


def test_the_last_step_is_undone_first() -> None:
    """What was done before the failure, in reverse order, and the failure goes on its way; also through every crash."""

    def story(run: WorkflowTest) -> Any:
        with pytest.raises(Failure, match="no money"):
            run.start(Trip, "1").result()
        return undone(run)

    tasks = {book: echo, undo: None, pay: Rejected("no money")}
    assert story(WorkflowTest(Trip, tasks=tasks)) == ["car", "flight", "hotel"]
    assert crash_everywhere(Trip, lambda run: undone_set(run, story), tasks=tasks) > 10


def undone_set(run: WorkflowTest, story: Callable[[WorkflowTest], Any]) -> list[str]:
    return sorted(set(story(run)))  # a task whose worker dies runs once more


def test_a_step_that_fails_is_not_undone() -> None:
    """Only those before it are."""
    run = WorkflowTest(Trip, tasks={book: in_turn("hotel", Rejected("full")), undo: None, pay: None})
    with pytest.raises(Failure, match="full"):
        run.start(Trip, "1").result()
    assert undone(run) == ["hotel"]


def test_a_cancellation_undoes() -> None:
    """And the run ends as cancelled."""
    run = WorkflowTest(Slow, tasks={undo: None})
    slow = run.start(Slow, "1")
    slow.cancel("changed my mind")
    with pytest.raises(Failure, match="changed my mind"):
        slow.result()
    assert undone(run) == ["hotel"]


def test_a_cancellation_waits_until_all_is_undone() -> None:
    """What a failure has begun to undo is undone to its end, also when the run is cancelled meanwhile; then it has its way."""

    def story(run: WorkflowTest) -> None:
        trip = run.start(Refunds, "1")
        run.advance(5)
        trip.cancel("changed my mind")
        with pytest.raises(RunCancelled, match="changed my mind"):
            trip.result()

    run = WorkflowTest(Refunds, tasks={undo: None})
    story(run)
    assert undone(run) == ["car", "flight", "hotel"]
    assert crash_everywhere(Refunds, story, tasks={undo: None}) > 5


def test_a_timeout_waits_until_all_is_undone() -> None:
    """Its time runs out while a step is being undone."""
    run = WorkflowTest(Hurried, tasks={undo: None})
    assert run.start(Hurried, "1").result() == "too late"
    assert undone(run) == ["car", "flight", "hotel"]


async def refund(what: str) -> None:
    """Undo in two steps that take time."""
    await asyncio.sleep(10)
    await undo(what)


class Refunds(Workflow):
    async def run(self) -> None:
        async with Saga() as saga:
            for what in ("hotel", "flight", "car"):
                saga.compensate(refund, what)
            raise Rejected("no seats")


class Hurried(Refunds):
    async def run(self) -> str:  # type: ignore[override]  # another workflow
        try:
            async with asyncio.timeout(5):
                await Refunds.run(self)
        except TimeoutError:
            return "too late"
        return "in time"


class Slow(Workflow):
    async def run(self) -> None:
        async with Saga() as saga:
            saga.compensate(undo, "hotel")
            await asyncio.sleep(86_400)


def test_a_compensation_that_fails_leaves_the_others_their_turn() -> None:
    """All are tried; the error names those that failed, and what ended the block is its cause."""
    run = WorkflowTest(Caught, tasks={undo: in_turn(Rejected("too late"), None)})
    details, cause = run.start(Caught, "1").result()
    assert details == [{"compensation": "undo", "type": "TaskError", "message": details[0]["message"]}]
    assert "too late" in details[0]["message"]
    assert cause == "no seats"
    assert undone(run) == ["flight", "hotel"]


async def test_registering_after_the_end() -> None:
    """It would never run, so it says so."""
    async with Saga() as saga:
        pass
    with pytest.raises(DefinitionError, match="has ended"):
        saga.compensate(undo, "hotel")
