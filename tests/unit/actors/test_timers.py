"""Timers: set once, cleared with their reason, ignored when nobody waits."""

from __future__ import annotations

import asyncio

from actors import Workflow, command
from tests.unit.actors.flows import ALL, double
from tests.unit.actors.stage import Stage


class Guarded(Workflow):
    """A call with a time limit, then another."""

    async def run(self) -> int:
        total = 0
        for n in (1, 2):
            async with asyncio.timeout(60):
                total += await double(n)
        return total

    @command
    async def hurry(self) -> None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)


def guarded() -> Stage:
    stage = Stage(Guarded, ALL)
    stage.start()
    return stage


def test_a_timer_set_and_cancelled_in_one_turn_leaves_nothing() -> None:
    """No event, no row set, no row cleared; live and in replay."""
    stage = guarded()
    turn = stage.command("hurry")
    assert ([event.type for event in turn.events], turn.timers_set, turn.timers_cleared) == (
        ["CommandReceived", "CommandCompleted"], [], [],
    )  # fmt: skip
    assert stage.replayed().waiting_for() == stage.execution.waiting_for()


def test_a_timer_that_is_not_needed_any_more_is_cleared() -> None:
    """With the due time that names its row."""
    stage = guarded()
    (was_set,) = stage.turns[0].timers_set
    assert stage.done(2, 2).timers_cleared == [was_set]


def test_a_cleared_timer_is_cleared_once() -> None:
    """The end of the run does not clear it again."""
    stage = guarded()
    stage.done(2, 2)
    second = stage.turns[-1].timers_set
    assert stage.done(4, 4).timers_cleared == second


def test_a_late_timer_is_ignored() -> None:
    """It fired while its clearing was on the way."""
    stage = guarded()
    stage.done(2, 2)
    assert stage.fire(1).events == []


def test_a_late_timer_is_ignored_after_a_replay() -> None:
    """The replayed instance knows it, too."""
    stage = guarded()
    stage.done(2, 2)
    stage.reload()
    assert (stage.fire(1).events, list(stage.execution.ledger.timers)) == ([], [3])


def test_a_timer_fires_once() -> None:
    """The second firing is no news."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.sleep(60)
            await double(1)

    stage = Stage(Flow, ALL)
    stage.start()
    assert [event.type for event in stage.fire(1).events] == ["TimerFired", "TaskScheduled"]
    assert stage.fire(1).events == []


def test_an_unknown_timer_is_ignored() -> None:
    """Nothing is recorded that the code did not ask for."""
    assert guarded().fire(99).events == []


def test_a_finished_instance_takes_no_timer() -> None:
    """Whatever was left."""
    stage = guarded()
    stage.done(2, 2)
    stage.done(4, 4)
    assert stage.fire(3).events == []


def test_a_timer_that_fires_names_the_row_to_clear() -> None:
    """In the same turn."""

    class Flow(Workflow):
        async def run(self) -> None:
            await asyncio.sleep(60)

    stage = Stage(Flow)
    rows = stage.start().timers_set
    assert stage.fire(1).timers_cleared == rows


def test_the_clock_never_goes_back() -> None:
    """Another node's clock may be behind."""

    class Flow(Workflow):
        async def run(self) -> bool:
            before = self.now()
            await double(1)
            return self.now() >= before

    stage = Stage(Flow, ALL)
    stage.start()
    stage.now -= 1000
    stage.done(1, 2)
    assert (stage.result, stage.replayed().outcome) == (True, stage.execution.outcome)
