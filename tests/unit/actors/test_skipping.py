"""What the code waits for is settled by hand: as by its own outcome, with a trace of who did it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, CallFailed, ChildFailed, InvalidInput, Task, TaskError, Workflow, command
from actors.definition import WorkflowType
from actors.journal import Correction, ErrorInfo
from actors.turn import Outcome, Turn
from tests.unit.actors.flows import ALL, double, look_up
from tests.unit.actors.stage import Stage, raw

ANN = Correction("s", "the bank is down", "ann")


class Empty(Struct):
    pass


class Bank(Actor):
    state: Empty

    @command
    def ask(self) -> int:
        return 0


class Small(Workflow):
    async def run(self) -> int:
        return 0


class Flow(Workflow):
    """Waits for one thing of each sort, one after the other."""

    async def run(self) -> list[Any]:
        ends: list[Any] = []
        bank = self.actor(Bank, "b")
        for wait in (
            lambda: double(1), lambda: look_up("x"), lambda: asyncio.sleep(60), lambda: self.execute(Small, "c"), bank.ask,
        ):  # fmt: skip
            try:
                ends.append(await wait())
            except (TaskError, ChildFailed, CallFailed) as error:
                ends.append(f"{type(error).__name__} {error.type}")
        return ends


class Skipped(Stage):
    """A stage with other types beside its own."""

    restless = False

    def __init__(self, cls: type[Workflow] = Flow, tasks: Sequence[Task[..., Any]] = ALL) -> None:
        super().__init__(cls, tasks)
        kind = App(actors=[cls, Bank, Small], tasks=tasks).type(cls.type_name)
        assert isinstance(kind, WorkflowType)
        self.execution.dispose()
        self.kind, self.execution = kind, self.fresh(kind)

    def skip(self, number: int, outcome: Any = None, correction: Correction = ANN) -> Turn:
        given = outcome if outcome is None or isinstance(outcome, ErrorInfo) else raw(outcome)
        turn = self.keep(self.execution.skip(number, correction, given, self.now))
        if self.restless:
            self.reload_same()
        return turn


@pytest.fixture(params=["awake", "reloaded after each turn"])
def make(request: pytest.FixtureRequest) -> Callable[[], Skipped]:
    """Makes a stage that lives on, or one whose instance is loaded anew after each turn."""

    def make() -> Skipped:
        stage = Skipped()
        stage.restless = request.param != "awake"
        return stage

    return make


def test_each_sort_of_step_is_settled_with_a_result(make: Callable[[], Skipped]) -> None:
    """And a timer with nothing; its row and each message goes, but that of a command, which is delivered all the same."""
    with make() as stage:
        stage.start()
        assert stage.skip(1, 7).tasks_closed == [1]
        assert stage.skip(2, 8).local_given_up == [2]
        assert [row.number for row in stage.skip(3).timers_cleared] == [3]
        assert stage.skip(4, 9).tasks_closed == [4]
        assert stage.skip(5, 10).tasks_closed == []
        assert stage.result == [7, 8, None, 9, 10]
        by = [json.loads(event.data).get("correction") for event in stage.journal]
        assert [each for each in by if each] == [{"id": "s", "reason": "the bank is down", "by": "ann"}] * 5
        assert stage.execution.ledger.corrections == {"s": "skip #5"}
        assert stage.execution.ledger.unheard.keys() == {5}


def test_each_sort_of_step_can_be_made_to_fail(make: Callable[[], Skipped]) -> None:
    """The code sees the exception that the step's own failure is."""
    failure = ErrorInfo("NoBank", "gone")
    with make() as stage:
        stage.start()
        for number in (1, 2):
            stage.skip(number, failure)
        stage.skip(3)
        for number in (4, 5):
            stage.skip(number, failure)
        kinds = ["TaskError", "TaskError", None, "ChildFailed", "CallFailed"]
        assert stage.result == [kind and f"{kind} NoBank" for kind in kinds]


def test_what_comes_later_is_no_news(make: Callable[[], Skipped]) -> None:
    """Of a task, a child, a command: neither an outcome, nor an attempt that failed."""
    with make() as stage:
        stage.start()
        stage.skip(1, 7)
        assert stage.done(1, 2).events == []
        assert stage.execution.task_attempt_failed(1, 1, ErrorInfo("E", ""), stage.now, stage.now).events == []
        stage.skip(2, 8)
        assert stage.done(2, 2, local="look_up").events == []
        stage.skip(3)
        assert stage.fire(3).events == []
        stage.skip(4, 9)
        assert stage.execution.child_ended(4, "Small/c", Outcome(raw(1)), stage.now).events == []
        stage.skip(5, 10)
        assert stage.execution.command_answered(5, "Bank/b", Outcome(raw(1)), stage.now).events == []


@pytest.mark.parametrize(
    ("number", "outcome", "why"),
    [
        (1, "seven", "does not fit what #1, .*double"),
        (1, None, "#1 needs what it is to give"),
        (2, 7, "#2 is not open; open are task #1 double"),
        (99, 7, "#99 is not open"),
    ],
)
def test_what_does_not_fit_leaves_no_trace(number: int, outcome: Any, why: str) -> None:
    """And the message says what is open."""
    with Skipped() as stage:
        stage.start()
        with pytest.raises(InvalidInput, match=why):
            stage.skip(number, outcome)
        assert stage.types == ["RunStarted", "TaskScheduled"]


def test_a_timer_has_no_result() -> None:
    """Nor can a child or a command give what its annotation does not allow."""
    with Skipped() as stage:
        stage.start()
        stage.skip(1, 7)
        stage.skip(2, 8)
        with pytest.raises(InvalidInput, match="#3 is a timer"):
            stage.skip(3, 1)
        stage.skip(3)
        with pytest.raises(InvalidInput, match="does not fit what #4"):
            stage.skip(4, "x")
        stage.skip(4, 1)
        with pytest.raises(InvalidInput, match="does not fit what #5"):
            stage.skip(5, "x")


class Mended(Workflow, name="Order"):
    async def run(self) -> list[Any]:
        return list(await asyncio.gather(double(1), double(2)))


def test_a_stuck_instance_is_corrected() -> None:
    """It is recorded like any fact; mended code goes on with it."""

    class Broken(Workflow, name="Order"):
        async def run(self) -> list[Any]:
            first = asyncio.ensure_future(double(1))
            second = await double(2)
            raise ValueError(f"a mistake {second} {first}")

    with Skipped(Broken) as stage:
        stage.start()
        stage.done(1, 4)
        assert stage.types[-1] == "Stuck"
        stage.skip(2, 5)
        assert stage.types[-1] == "TaskCompleted"
        stage.reload(Mended, ALL)
        stage.keep(stage.execution.resume(stage.now))
        assert stage.result == [4, 5]


def test_a_paused_instance_is_corrected() -> None:
    """It hears of it with all the rest."""
    with Skipped() as stage:
        stage.start()
        stage.keep(stage.execution.pause("p", "", ""))
        stage.skip(1, 7)
        with pytest.raises(InvalidInput, match="#1 is not open"):
            stage.skip(1, 7)
        stage.reload_same()
        stage.keep(stage.execution.unpause("u", "", "", stage.now))
        assert stage.types[-2:] == ["TaskCompleted", "Unpaused"]
        assert [call.task for call in stage.execution.pending_local_calls()] == [2]
