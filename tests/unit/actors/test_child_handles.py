"""A child that is not awaited any more: its handle, cancelled waiting, and what its parent's end means to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import (
    App,
    ChildCancelled,
    ChildFailed,
    ChildHandle,
    ChildTerminated,
    Nondeterminism,
    Workflow,
    query,
)
from actors.definition import WorkflowType
from actors.failures import cancelled, terminated
from actors.journal import Caller, ErrorInfo, OnClose, Stop
from actors.turn import CANCELLED, TERMINATED, Outcome, Turn
from tests.unit.actors.stage import Stage, raw


class Ship(Workflow):
    def __init__(self) -> None:
        self.ran = False

    async def run(self, item: str) -> str:
        self.ran = True
        await asyncio.sleep(60)
        return item

    @query
    def has_run(self) -> bool:
        return self.ran


class Parent(Workflow):
    def __init__(self) -> None:
        self.handle: ChildHandle | None = None

    async def run(self, plan: str, on_close: OnClose = "cancel") -> Any:  # noqa: C901, PLR0912 - a table of short stories
        match plan:
            case "execute":
                return await self.execute(Ship, "17", "tea", on_close=on_close)
            case "patient":
                try:
                    async with asyncio.timeout(60):
                        await self.execute(Ship, "17", "tea", on_close=on_close)
                except TimeoutError:
                    return await self.until(lambda: False)
            case "left":
                self.start_child(Ship, "17", "tea", on_close=on_close)
                return "gone"
            case "awaited twice":
                ship = self.start_child(Ship, "17", item="tea")
                assert (ship.type, ship.id, ship.done(), repr(ship)) == ("Ship", "17", False, "<child Ship/17>")
                both = await asyncio.gather(ship, ship)
                assert ship.done()
                ship.cancel()
                return [*both, await ship]
            case "cancelled":
                ship = self.start_child(Ship, "17", "tea", on_close=on_close)
                ship.cancel("not needed")
                ship.cancel("said twice")
                try:
                    return await ship
                except ChildCancelled as end:
                    return [end.child, end.type, end.message]
            case "handle":
                ship = self.start_child(Ship, "17", "tea", on_close=on_close)
                try:
                    async with asyncio.timeout(60):
                        await ship
                except TimeoutError:
                    return await ship
            case "shielded":
                ship = self.start_child(Ship, "17", "tea")
                try:
                    async with asyncio.timeout(60):
                        await asyncio.shield(ship)
                except TimeoutError:
                    return await ship
            case "at once":
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self.execute(Ship, "17", "tea", on_close=on_close))
                        group.create_task(self.refuse())
                except ExceptionGroup:
                    return "refused"
            case "wrong":
                self.start_child(Ship, "17", "tea", on_close="burn")  # type: ignore[call-arg]  # the mistake
            case "hurried":
                return await self.execute(Ship, "17", "tea", run_timeout=7)
            case "no time at all":
                self.start_child(Ship, "17", "tea", run_timeout=0)
            case "dismissed":
                self.start_child(Ship, "17", "tea", on_close=on_close).cancel()
                await asyncio.sleep(60)
            case "never heard of":
                self.handle = self.start_child(Ship, "17", "tea")
                await self.until(lambda: False)
        raise AssertionError

    async def refuse(self) -> None:
        raise ZeroDivisionError

    @query
    def meddle(self) -> None:
        self.start_child(Ship, "18", "tea")

    @query
    def meddle_with_handle(self) -> None:
        assert self.handle is not None
        self.handle.cancel()


class Family(Stage):
    def __init__(self, plan: str, **more: Any) -> None:
        super().__init__(Parent)
        self.kind = kind_of(Parent)
        self.execution = self.fresh()
        self.first = self.start(plan=plan, **more)

    def ended(self, outcome: Outcome) -> Turn:
        return self.keep(self.execution.child_ended(1, "Ship/17", outcome, self.now))

    def cancel(self) -> Turn:
        return self.keep(self.execution.cancel("c", "", self.now))


def kind_of(cls: type[Workflow], *others: type[Workflow]) -> WorkflowType:
    kind = App(actors=[cls, *(others or (Ship,))]).type(cls.type_name)
    assert isinstance(kind, WorkflowType)
    return kind


def stops(turn: Turn) -> list[Stop]:
    return [each.stop for each in turn.stopped or ()]


ENDED = Stop("cancel", "its parent has ended")


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Any:
    def go_on(stage: Stage) -> None:
        if request.param == "replayed":
            stage.reload_same()

    return go_on


def test_cancelled_waiting_asks_for_the_child_s_cancellation(again: Any) -> None:
    """A decision, with its message; the waiting ends at once, and the child's end is still recorded."""
    with Family("patient") as stage:
        again(stage)
        turn = stage.fire(1)
        assert stage.types[-2:] == ["TimerFired", "ChildCancelRequested"]
        assert [stop.how for stop in stops(turn)] == ["cancel"]
        again(stage)
        stage.keep(stage.execution.child_ended(2, "Ship/17", Outcome(error=cancelled(""), ended=CANCELLED), stage.now))
        assert stage.types[-1] == "ChildFailed"
        stage.replayed()


def test_a_child_s_own_timeout_is_in_the_decision() -> None:
    """With its start, so that the child has it, whatever the code says later; one that is none is a mistake in the code."""
    with Family("hurried") as stage:
        [started] = stage.first.children or []
        assert started.timeout == 7
        stage.ended(Outcome(error=ErrorInfo("ChildTimedOut", "late"), ended="timed_out"))
        assert stage.types[-1] == "RunFailed"
        stage.replayed()
    with Family("no time at all") as stage:
        assert stage.first.stuck is not None
        assert "run_timeout: timeout must be above 0" in stage.first.stuck.message


def test_an_abandoned_child_goes_on_when_the_waiting_ends(again: Any) -> None:
    """No decision, no message: neither by a timeout nor by the run's end."""
    for by_timeout in (True, False):
        with Family("patient", on_close="abandon") as stage:
            again(stage)
            turn = stage.fire(1) if by_timeout else stage.cancel()
            assert "ChildCancelRequested" not in stage.types
            assert turn.stopped is None
            stage.replayed()


def test_the_recorded_policy_counts() -> None:
    """A journal of before has children that go on, and so they do under code whose default is another."""
    for plan in ("patient", "at once"):
        with Family(plan, on_close="abandon") as old:

            class Changed(Parent, name="Parent"):
                async def run(self, plan: str, on_close: OnClose = "cancel") -> Any:
                    return await super().run(plan, "cancel")

            execution = old.fresh(kind_of(Changed, Ship))
            execution.replay(old.journal)
            old.execution = execution
            if plan == "patient":
                old.fire(1)
            assert "ChildCancelRequested" not in old.types
            old.replayed()


@pytest.mark.parametrize("how", ["completes", "is cancelled", "is terminated", "is killed"])
@pytest.mark.parametrize("on_close", ["abandon", "cancel", "terminate"])
def test_parent_close_policy(how: str, on_close: OnClose) -> None:
    """Applied however the parent ends; a kill that is meant for the whole tree takes all but the abandoned."""
    plan = "left" if how == "completes" else "handle"
    with Family(plan, on_close=on_close) as stage:
        match how:
            case "completes":
                turn = stage.first
            case "is cancelled":
                turn = stage.cancel()
            case "is terminated":
                turn = stage.keep(stage.execution.terminate("t", ""))
            case _:
                turn = stage.keep(stage.execution.terminate("t", "", tree=True))
        assert turn.finished is not None
        if on_close == "abandon":
            assert turn.stopped is None
        elif how == "is killed":
            assert stops(turn)[-1] == Stop("terminate", "its parent has ended", tree=True)
        else:
            assert stops(turn)[-1] == Stop(on_close, "its parent has ended")
        assert list(stage.execution.ledger.children) == [1]  # its end is still to be heard of


def test_a_handle_gives_the_result_as_often_as_it_is_awaited(again: Any) -> None:
    """And a cancel that comes too late does nothing."""
    with Family("awaited twice") as stage:
        again(stage)
        assert stage.execution.waiting_for() == ["child #1 Ship/17"]
        stage.ended(Outcome(raw("sent")))
        assert stage.result == ["sent"] * 3
        assert "ChildCancelRequested" not in stage.types
        stage.replayed()


def test_a_child_is_asked_once_and_its_cancellation_is_a_clear_failure(again: Any) -> None:
    """Its own class, with the child's name and what it said of its end."""
    with Family("cancelled") as stage:
        assert stage.types == ["RunStarted", "ChildStarted", "ChildCancelRequested"]
        assert stops(stage.first) == [Stop("cancel", "not needed")]
        again(stage)
        stage.ended(Outcome(error=cancelled("not needed"), ended=CANCELLED))
        assert stage.result == [
            "Ship/17",
            "ChildCancelled",
            "child Ship/17 failed: ChildCancelled: the run was cancelled: not needed",
        ]
        stage.replayed()


@pytest.mark.parametrize(
    ("outcome", "type"),
    [
        (Outcome(error=cancelled("x"), ended=CANCELLED), "ChildCancelled"),
        (Outcome(error=terminated("x"), ended=TERMINATED), "ChildTerminated"),
        (Outcome(error=ErrorInfo("OutOfStock", "none")), "OutOfStock"),
    ],
)
def test_child_failure_child_cancelled_and_child_terminated_fail_a_parent_that_does_not_catch_them(
    outcome: Outcome, type: str
) -> None:
    """Each by a name of its own."""
    with Family("execute") as stage:
        stage.ended(outcome)
        assert stage.types[-2:] == ["ChildFailed", "RunFailed"]
        assert stage.error.type == type
    assert issubclass(ChildTerminated, ChildFailed)


def test_cancel_and_child_completion_in_the_same_turn(again: Any) -> None:
    """Whichever was recorded first decides; a child that has ended is not asked any more."""
    with Family("execute") as stage:
        again(stage)
        turn = stage.cancel()
        assert stage.types[-3:] == ["CancelRequested", "ChildCancelRequested", "RunCancelled"]
        assert stops(turn)[-1] == ENDED
        assert stage.ended(Outcome(raw("late"))).events == []
        stage.replayed()
    with Family("execute") as stage:
        stage.ended(Outcome(raw("sent")))
        assert stage.cancel().events == []
        assert (stage.result, "ChildCancelRequested" in stage.types) == ("sent", False)


def test_a_handle_outlives_a_cancelled_await(again: Any) -> None:
    """The child is asked, and what it makes of that can be awaited again; `asyncio.shield` keeps it from being asked."""
    for plan, asked in (("handle", True), ("shielded", False)):
        with Family(plan) as stage:
            again(stage)
            stage.fire(2)
            again(stage)
            assert ("ChildCancelRequested" in stage.types) is asked
            stage.ended(Outcome(raw("all the same")))
            assert stage.result == "all the same"
            stage.replayed()


def test_a_failure_that_nobody_awaits_is_recorded_only() -> None:
    """As with a task whose exception is not retrieved, but without the noise."""
    with Family("never heard of") as stage:
        stage.ended(Outcome(error=ErrorInfo("OutOfStock", "none")))
        assert stage.types[-1] == "ChildFailed"
        assert stage.execution.waiting_for() == ["a condition"]


def test_a_wrong_policy_is_a_mistake() -> None:
    """Said with those that there are."""
    with Family("wrong") as stage:
        assert stage.first.stuck is not None
        assert stage.first.stuck.message == "on_close is 'burn'; expected one of abandon, cancel, terminate"
        assert stage.first.children is None


@pytest.mark.parametrize("name", ["meddle", "meddle_with_handle"])
def test_a_query_neither_starts_nor_cancels(name: str) -> None:
    """It must leave no trace."""
    with Family("never heard of") as stage:
        with pytest.raises(Exception, match="leave no trace"):
            stage.query(name)
        stage.fire(99)
        assert stage.types == ["RunStarted", "ChildStarted"]
        assert stage.execution.waiting_for() == ["child #1 Ship/17", "a condition"]
        stage.replayed()


def test_a_child_that_is_unwanted_before_it_was_created_never_runs() -> None:
    """Cancel before first run: it is there, so that a start that comes late finds it, and it has ended."""
    for how, end in (("cancel", "RunCancelled"), ("terminate", "RunTerminated")):
        with Stage(Ship) as stage:
            stop = Stop(how, "too late")  # type: ignore[arg-type]  # one of the two
            turn = stage.keep(
                stage.execution.start(raw({"item": "tea"}), "Parent/1#1", stage.now, Caller("Parent/1", 1), stop)
            )
            assert stage.types == ["RunStarted", end]
            assert turn.finished is not None
            assert turn.finished.error is not None
            assert "too late" in turn.finished.error.message
            stage.reload_same()
            assert (stage.query("has_run"), stage.execution.outcome) == (False, turn.finished)


def test_a_cancellation_that_the_code_does_not_ask_for_is_a_difference() -> None:
    """And one of another child."""

    class Changed(Parent, name="Parent"):
        async def run(self, plan: str, on_close: OnClose = "cancel") -> Any:
            self.start_child(Ship, "17", "tea")
            await self.until(lambda: False)

    with Family("cancelled") as stage, pytest.raises(Nondeterminism) as found:
        stage.fresh(kind_of(Changed, Ship)).replay(stage.journal)
    assert found.value.recorded == "ChildCancelRequested(#1)"


def test_a_cancelled_run_waits_for_a_child_that_it_shields(again: Any) -> None:
    """As for every shielded section; the child is not asked, and its end is the run's."""
    with Family("shielded") as stage:
        again(stage)
        turn = stage.cancel()
        assert (turn.stopped, stage.execution.outcome) == (None, None)
        again(stage)
        stage.ended(Outcome(raw("sent")))
        assert stage.types[-2:] == ["ChildCompleted", "RunCancelled"]
        stage.replayed()


def test_a_child_that_would_be_abandoned_is_cancelled_by_hand_in_its_first_turn() -> None:
    """The journal has the request, and replay asks for it as well."""
    with Family("dismissed", on_close="abandon") as stage:
        assert stage.types == ["RunStarted", "ChildStarted", "ChildCancelRequested", "TimerSet"]
        stage.reload_same()
        assert stage.execution.broken is None
