"""A run is cancelled as an asyncio task is: clean-up runs, shielded sections finish, and what it makes of it counts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import Bug, Rejected, Workflow, command, query, task
from actors.turn import Turn
from tests.unit.actors.stage import Stage


@task
async def work(what: str) -> str:
    return what


TASKS = [work]
END = ["CancelRequested", "RunCancelled"]


class Plan(Workflow):
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.go = False
        self.handled = False

    async def run(self, plan: str) -> Any:
        return await getattr(self, plan)()

    async def plain(self) -> str:
        return await work("plain")

    async def cleaning(self) -> str:
        try:
            return await work("first")
        except asyncio.CancelledError as cancelled:
            self.heard.append(f"cancelled {cancelled.args}")
            await work("clean up")
            raise
        finally:
            async with asyncio.TaskGroup() as group:
                group.create_task(work("one"))
                group.create_task(work("two"))
            self.heard.append("finally")

    async def catching(self) -> str:
        try:
            await work("first")
        except asyncio.CancelledError:
            return await work("instead")
        raise AssertionError

    async def failing(self) -> str:
        try:
            return await work("first")
        except asyncio.CancelledError:
            raise Rejected("not like this") from None

    async def mistaken(self) -> str:
        try:
            return await work("first")
        except asyncio.CancelledError:
            raise ZeroDivisionError("in clean-up") from None

    async def shielding(self) -> str:
        await asyncio.shield(self.section())
        return "not reached"

    async def section(self) -> None:
        await work("shielded")
        await asyncio.sleep(60)
        self.heard.append("section finished")

    async def grouped(self) -> None:
        async with asyncio.TaskGroup() as group:
            for name in ("a", "b"):
                group.create_task(self.member(name))

    async def member(self, name: str) -> None:
        try:
            await work(name)
        finally:
            self.heard.append(f"{name} ended")

    async def timed(self) -> str:
        try:
            async with asyncio.timeout(60):
                await work("slow")
        except TimeoutError:
            return await work("timed out")
        return "in time"

    async def conditional(self) -> str:
        await self.until(lambda: self.go)
        return await work("condition held")

    async def returning(self) -> str:
        return "done"

    async def accident(self) -> None:
        raise asyncio.CancelledError

    @command
    async def handle(self) -> str:
        try:
            await work("handled")
        finally:
            self.handled = True
        return "handled"

    @command
    async def stubborn(self) -> str:
        try:
            return await work("first")
        except asyncio.CancelledError:
            return await work("second")

    @command
    def proceed(self) -> None:
        self.go = True

    @query
    def seen(self) -> list[str]:
        return self.heard


class Play(Stage):
    def __init__(self, plan: str) -> None:
        super().__init__(Plan, TASKS)
        self.start(plan=plan)

    def cancel(self, id: str = "cancel-1", reason: str = "enough") -> Turn:
        return self.keep(self.execution.cancel(id, reason, self.now))

    @property
    def status(self) -> str:
        assert self.execution.outcome is not None, self.execution.waiting_for()
        return self.execution.outcome.status


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Any:
    """Go on with the live instance, or with one that was replayed."""

    def go_on(stage: Stage) -> None:
        if request.param == "replayed":
            stage.reload_same()

    return go_on


def test_a_run_that_lets_it_out_is_cancelled(again: Any) -> None:
    """The request is a fact, the end a decision, and the reason stays with both."""
    with Play("plain") as stage:
        again(stage)
        turn = stage.cancel()
        assert stage.types == ["RunStarted", "TaskScheduled", *END]
        assert (stage.status, turn.tasks_closed) == ("cancelled", [1])
        assert (stage.error.type, stage.error.message) == ("RunCancelled", "the run was cancelled: enough")
        stage.replayed()


def test_clean_up_runs_and_may_await_durable_operations(again: Any) -> None:
    """`except` and `finally` go on over as many turns as they need, groups included; the reason is the error's."""
    with Play("cleaning") as stage:
        again(stage)
        stage.cancel()
        again(stage)
        assert stage.execution.waiting_for() == ["task #2 work"]
        stage.done(2, "x")
        again(stage)
        stage.done(4, "x")
        again(stage)
        assert stage.execution.outcome is None
        stage.done(3, "x")
        assert stage.types[-1] == "RunCancelled"
        assert stage.query("seen") == ["cancelled ('enough',)", "finally"]
        stage.replayed()


def test_a_run_that_catches_it_and_returns_is_completed(again: Any) -> None:
    """It is a request, not an order."""
    with Play("catching") as stage:
        stage.cancel()
        again(stage)
        stage.done(2, "something else")
        assert (stage.status, stage.result) == ("completed", "something else")
        stage.replayed()


def test_a_failure_in_clean_up_is_the_run_s() -> None:
    """A declared one fails it; a mistake makes it stuck, as everywhere."""
    with Play("failing") as stage:
        stage.cancel()
        assert (stage.status, stage.error.type) == ("failed", "Rejected")
    with Play("mistaken") as stage:
        turn = stage.cancel()
        assert turn.stuck is not None
        assert turn.stuck.type == "ZeroDivisionError"
        assert stage.types[-2:] == ["CancelRequested", "Stuck"]


def test_shielded_sections_finish(again: Any) -> None:
    """Once cancellation was asked for, the run's end waits for what is under `asyncio.shield`."""
    with Play("shielding") as stage:
        again(stage)
        stage.cancel()
        again(stage)
        assert stage.execution.outcome is None
        stage.done(1, "x")
        again(stage)
        stage.fire(2)
        assert stage.types[-2:] == ["TimerFired", "RunCancelled"]
        assert stage.query("seen") == ["section finished"]
        stage.replayed()


def test_a_group_is_cancelled_with_its_run(again: Any) -> None:
    """Every member hears of it."""
    with Play("grouped") as stage:
        again(stage)
        stage.cancel()
        assert stage.status == "cancelled"
        assert sorted(stage.query("seen")) == ["a ended", "b ended"]


def test_a_run_is_asked_once(again: Any) -> None:
    """Further requests leave clean-up alone, and one to a run that has ended is no event."""
    with Play("cleaning") as stage:
        stage.cancel()
        again(stage)
        assert stage.cancel("cancel-2").events == []
        assert stage.cancel("cancel-1").events == []
        stage.done(2, "x")
        stage.done(3, "x")
        stage.done(4, "x")
        assert stage.cancel("cancel-3").events == []
        assert stage.types.count("CancelRequested") == 1


def test_cancel_and_timer_in_the_same_turn(again: Any) -> None:
    """Whichever was recorded first decides: facts come one by one, also when both wait in one batch."""
    with Play("timed") as stage:
        again(stage)
        stage.fire(1)
        again(stage)
        stage.cancel()
        assert stage.types[-4:] == ["TimerFired", "TaskScheduled", *END]
        stage.replayed()
    with Play("timed") as stage:
        again(stage)
        stage.cancel()
        assert stage.status == "cancelled"
        assert stage.fire(1).events == []
        stage.replayed()


def test_cancel_and_condition_in_the_same_turn(again: Any) -> None:
    """A condition that holds first lets the run go on to its next step, where it is cancelled."""
    with Play("conditional") as stage:
        stage.command("proceed")
        again(stage)
        stage.cancel()
        assert stage.types[-4:] == ["CommandCompleted", "TaskScheduled", *END]
        stage.replayed()
    with Play("conditional") as stage:
        stage.cancel()
        assert stage.status == "cancelled"


def test_completion_that_arrives_in_the_same_turn_as_return() -> None:
    """What comes after the end is no event; what came before it was used."""
    with Play("catching") as stage:
        stage.cancel()
        late = stage.execution.ledger.version
        stage.done(2, "instead")
        assert stage.execution.ledger.version == late + 2
        assert stage.done(1, "late").events == []
        stage.replayed()


def test_unfinished_handlers_at_return(again: Any) -> None:
    """A run that returns waits for them; a request to cancel then reaches them, for nothing else is left to hear it."""
    with Play("returning") as stage:
        assert stage.status == "completed"
    with Play("plain") as stage:
        stage.command("handle", "h")
        stage.done(1, "x")
        again(stage)
        assert stage.execution.outcome is None
        turn = stage.cancel()
        assert [(answer.command_id, answer.outcome.error.type) for answer in turn.answers if answer.outcome.error] == [
            ("h", "RunCancelled")
        ]
        assert (stage.status, stage.result) == ("completed", "x")
        stage.replayed()


def test_unfinished_handlers_of_a_cancelled_run(again: Any) -> None:
    """They are cancelled when the run is over, clean up in their time, and what they return is their answer."""
    with Play("plain") as stage:
        stage.command("stubborn", "s")
        stage.command("handle", "h")
        again(stage)
        turn = stage.cancel()
        assert [answer.command_id for answer in turn.answers] == ["h"]
        again(stage)
        late = stage.command("handle", "too late")
        assert [(a.command_id, a.outcome.error and a.outcome.error.type) for a in late.answers] == [
            ("too late", "RunCancelled")
        ]
        stage.done(4, "in the end")
        assert stage.types[-2:] == ["CommandCompleted", "RunCancelled"]
        stage.replayed()


def test_a_cancellation_that_nobody_asked_for_is_a_mistake() -> None:
    """As before: the code raised it by itself."""
    with Play("accident") as stage:
        assert stage.types == ["RunStarted", "Stuck"]


def test_a_stuck_run_is_asked_when_it_goes_on() -> None:
    """The request is recorded, and mended code hears of it."""

    class Broken(Plan, name="Plan"):
        async def plain(self) -> str:
            await work("plain")
            raise ZeroDivisionError

    with Stage(Broken, TASKS) as stage:
        stage.start(plan="plain")
        stage.done(1, "x")
        stage.keep(stage.execution.cancel("c", "", stage.now))
        assert stage.types[-2:] == ["Stuck", "CancelRequested"]
        with pytest.raises(Bug):
            stage.replayed()

        class Mended(Plan, name="Plan"):
            async def plain(self) -> str:
                return await work("plain") + await work("more")

        stage.reload(Mended, TASKS)
        stage.keep(stage.execution.resume(stage.now))
        assert stage.types[-3:] == ["Resumed", "TaskScheduled", "RunCancelled"]
        stage.replayed(Mended, TASKS)


def test_terminate_ends_at_once_and_runs_nothing(again: Any) -> None:
    """No clean-up; pending commands are answered, timers and tasks closed."""
    with Play("timed") as stage:
        stage.command("handle", "h")
        again(stage)
        turn = stage.keep(stage.execution.terminate("t", "operator"))
        assert stage.types[-1] == "RunTerminated"
        assert (stage.status, stage.error.message) == ("terminated", "the run was terminated: operator")
        assert [(a.command_id, a.outcome.status) for a in turn.answers] == [("h", "terminated")]
        assert (turn.tasks_closed, [row.number for row in turn.timers_cleared]) == ([2, 3], [1])
        assert stage.execution.terminate("again", "").events == []
        assert stage.cancel().events == []
        stage.replayed()


def test_terminate_ends_a_stuck_run() -> None:
    """It is the way out where code can't be mended; nothing of the code is asked."""
    with Play("mistaken") as stage:
        stage.cancel()
        turn = stage.keep(stage.execution.terminate("t", ""))
        assert turn.finished is not None
        assert stage.types[-2:] == ["Stuck", "RunTerminated"]
        assert stage.execution.stick().events == []


def test_a_stuck_run_that_was_terminated_stays_so_when_the_code_is_mended() -> None:
    """What it owed is owed to nobody."""

    class Mended(Plan, name="Plan"):
        async def mistaken(self) -> str:
            return await work("mended")

    with Play("mistaken") as stage:
        stage.cancel()
        stage.keep(stage.execution.terminate("t", ""))
        stage.reload(Mended, TASKS)
        assert stage.execution.resume(stage.now).events == []
        assert stage.execution.outcome is not None
        assert stage.execution.outcome.status == "terminated"


def test_a_request_that_a_former_run_has_heard_is_not_the_next_one_s(again: Any) -> None:
    """A repetition comes late, as a parent's does until its child has ended; the run has started over since."""

    class Again(Workflow):
        async def run(self, number: int = 1) -> None:
            try:
                await self.until(lambda: False)
            except asyncio.CancelledError:
                self.continue_as_new(number + 1)

    with Stage(Again) as stage:
        stage.start()
        stage.keep(stage.execution.cancel("c", "", stage.now))
        again(stage)
        assert stage.types == ["RunStarted", "CancelRequested", "RunContinued"]
        assert stage.keep(stage.execution.cancel("c", "", stage.now)).events == []
        stage.keep(stage.execution.cancel("another", "", stage.now))
        assert stage.types[3:] == ["CancelRequested", "RunContinued"]
