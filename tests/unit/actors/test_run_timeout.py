"""A workflow's timeout: the instance is ended by its deadline, as a fact, without its code."""

from __future__ import annotations

from typing import Any

import pytest

from actors import App, DefinitionError, Workflow, command
from tests.unit.actors.flows import ALL, double, look_up
from tests.unit.actors.stage import NOON, Stage


class Timed(Workflow, timeout=60):
    """Waits for a task, a local task, a timer and a command's handler."""

    def __init__(self) -> None:
        self.go = False

    async def run(self, run: int = 1) -> int:
        await self.until(lambda: self.go, timeout=3600)
        await double(run)
        self.continue_as_new(run + 1)

    @command
    def start_over(self) -> None:
        self.go = True

    @command
    async def wait(self) -> int:
        return await look_up("x")


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Any:
    return Stage.reload if request.param == "replayed" else id  # which does nothing to it


def due(stage: Stage) -> None:
    stage.now = NOON + 60


def test_it_ends_the_instance_with_all_that_it_waits_for(again: Any) -> None:
    """The row is there from the start; callers of commands are answered; what is open is closed."""
    with Stage(Timed, ALL) as stage:
        assert [(row.number, row.due) for row in stage.start().timers_set] == [(0, NOON + 60), (1, NOON + 3600)]
        stage.command("wait", "w")
        again(stage)
        due(stage)
        turn = stage.fire(0)
        assert [record.type for record in turn.events] == ["RunTimedOut"]
        assert [(answer.command_id, answer.outcome.ended) for answer in turn.answers] == [("w", "timed_out")]
        assert sorted(row.number for row in turn.timers_cleared) == [0, 1]
        assert (stage.error.type, stage.execution.outcome) == ("RunTimedOut", turn.finished)
        again(stage)
        assert stage.fire(0).events == stage.done(2, 1, local="look_up").events == []
        assert stage.execution.pending_local_calls() == []
        stage.replayed()


def test_it_is_not_early() -> None:
    """A row that fires before its time does nothing."""
    with Stage(Timed, ALL) as stage:
        stage.start()
        assert stage.fire(0).events == []


def test_it_counts_from_the_start_through_all_runs(again: Any) -> None:
    """A new run has no more time; its end clears the row."""
    with Stage(Timed, ALL) as stage:
        stage.start()
        stage.command("start_over")
        turn = stage.done(2, 1)
        assert 0 not in {row.number for row in turn.timers_cleared}
        again(stage)
        due(stage)
        assert [record.type for record in stage.fire(0).events] == ["RunTimedOut"]
        stage.replayed()


def test_a_run_that_ends_in_time_clears_the_row() -> None:
    """It never fires."""

    class Quick(Workflow, timeout=60):
        async def run(self) -> None: ...

    with Stage(Quick) as stage:
        turn = stage.start()
        assert turn.timers_set == turn.timers_cleared
        assert stage.types == ["RunStarted", "RunCompleted"]


def test_a_stuck_instance_is_ended_too() -> None:
    """No code is needed for it."""

    class Broken(Workflow, timeout=60):
        async def run(self) -> None:
            raise ZeroDivisionError

    with Stage(Broken) as stage:
        assert stage.start().stuck is not None
        due(stage)
        stage.fire(0)
        assert stage.error.type == "RunTimedOut"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), 1e12, "60"])
def test_a_timeout_that_makes_no_sense_is_refused(timeout: Any) -> None:
    """When the app is made."""

    class Odd(Workflow, timeout=timeout):
        async def run(self) -> None: ...

    with pytest.raises(DefinitionError, match="timeout must be above 0"):
        App(actors=[Odd])
