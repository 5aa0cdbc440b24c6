"""A mistake in the code never fails an instance: facts go on being recorded, and a fix makes up for what is owed."""

from __future__ import annotations

import asyncio

import pytest

from actors import Bug, Nondeterminism, Workflow, command, query
from actors.execution import Execution
from tests.unit.actors.flows import ALL, double, look_up, note
from tests.unit.actors.stage import Stage, kind_of


class Buggy(Workflow, name="Order"):
    """Makes its mistake after the first task."""

    def __init__(self) -> None:
        self.added = 0

    async def run(self) -> int:
        await double(1)
        raise ValueError("a mistake")

    @command
    def add(self, units: int) -> int:
        self.added += units
        return self.added

    @query
    def count(self) -> int:
        return self.added


class Fixed(Buggy, name="Order"):
    """Goes on with another task and a timer."""

    async def run(self) -> int:
        n = await double(1)
        await note("fixed")
        await asyncio.sleep(60)
        return n + self.added


class Hasty(Buggy, name="Order"):
    """Is another flow altogether: it does not agree with the journal."""

    async def run(self) -> int:
        await note("other")
        return 0


class Bold(Fixed, name="Order"):
    """Asks for more than the journal has."""

    async def run(self) -> int:
        self.extra = asyncio.create_task(note("extra"))
        return await double(1)


def stuck() -> Stage:
    stage = Stage(Buggy, ALL)
    stage.start()
    stage.done(1, 2)
    return stage


def test_the_fact_is_kept_and_nothing_of_the_turn() -> None:
    """The task's outcome is recorded, so its message may go; what the code asked for in error is not."""
    stage = stuck()
    turn = stage.turns[-1]
    assert ([event.type for event in turn.events], turn.tasks_closed, turn.tasks) == (
        ["TaskCompleted", "Stuck"], [1], [],
    )  # fmt: skip


def test_a_timer_that_fired_into_a_mistake_is_cleared() -> None:
    """Its firing is recorded; a row left behind would come due for ever. Others that the turn touched stay."""

    class Flow(Workflow):
        async def run(self) -> None:
            other = asyncio.create_task(asyncio.sleep(1000))
            await asyncio.sleep(60)
            other.cancel()
            await asyncio.sleep(0)
            raise ValueError("a mistake")

    stage = Stage(Flow)
    stage.start()
    turn = stage.fire(1)
    assert ([row.number for row in turn.timers_cleared], stage.types[-2:]) == ([1], ["TimerFired", "Stuck"])


def test_facts_are_recorded_while_it_is_stuck() -> None:
    """Nothing is refused, nothing runs."""
    stage = stuck()
    turn = stage.command("add", units=3)
    assert ([event.type for event in turn.events], turn.answers, turn.stuck) == (["CommandReceived"], [], None)


def test_repetition_is_told_from_news_while_it_is_stuck() -> None:
    """A task's second outcome is not recorded."""
    stage = stuck()
    assert stage.done(1, 3).events == []


def test_a_query_says_that_it_is_stuck() -> None:
    """There is no state to read."""
    stage = stuck()
    with pytest.raises(Bug, match="Order/1 is stuck, so its state is not known: ValueError: a mistake"):
        stage.query("count")


def test_the_same_code_is_stuck_again_without_saying_it_twice() -> None:
    """A retry without a fix leaves no trace."""
    stage = stuck()
    with pytest.raises(Bug):
        stage.reload()
    again = Execution(stage.kind, stage.stream)
    with pytest.raises(Bug):
        again.replay(stage.journal)
    assert (again.stick().events, again.broken == stage.execution.broken, again.version) == ([], True, 4)


def test_fixed_code_goes_on_with_what_it_owes() -> None:
    """Every fact that came meanwhile is handled, in order, and the decisions follow `Resumed`."""
    stage = stuck()
    stage.command("add", id="c", units=3)
    stage.reload(Fixed, ALL)
    turn = stage.keep(stage.execution.resume(stage.now))
    assert ([event.type for event in turn.events], turn.resumed) == (
        ["Resumed", "TaskScheduled", "CommandCompleted"], True,
    )  # fmt: skip
    assert [task.name for task in turn.tasks] == ["note"]
    stage.done(2)
    stage.fire(3)
    assert stage.result == 5


def test_the_whole_story_replays_with_the_fixed_code() -> None:
    """Stuck and Resumed are part of the history for ever."""
    stage = stuck()
    stage.command("add", id="c", units=3)
    stage.reload(Fixed, ALL)
    stage.keep(stage.execution.resume(stage.now))
    stage.done(2)
    stage.fire(3)
    assert stage.replayed(Fixed, ALL).outcome == stage.execution.outcome


def test_resuming_twice_does_nothing() -> None:
    """It is not stuck any more."""
    stage = stuck()
    stage.reload(Fixed, ALL)
    stage.keep(stage.execution.resume(stage.now))
    assert stage.execution.resume(stage.now).events == []


def test_a_fix_that_makes_another_mistake_is_stuck_again() -> None:
    """As often as it takes."""

    class Half(Fixed, name="Order"):
        async def run(self) -> int:
            await double(1)
            await note("fixed")
            raise LookupError("another mistake")

    stage = stuck()
    stage.reload(Half, ALL)
    stage.keep(stage.execution.resume(stage.now))
    assert stage.done(2).stuck is not None
    stage.reload(Fixed, ALL)
    turn = stage.keep(stage.execution.resume(stage.now))
    assert [event.type for event in turn.events] == ["Resumed", "TimerSet"]
    stage.fire(3)
    assert (stage.result, stage.replayed(Fixed, ALL).outcome) == (2, stage.execution.outcome)


def test_code_that_disagrees_is_stuck_by_what_it_found() -> None:
    """Said once in the journal; the right code then goes on as if nothing had been."""
    stage = Stage(Fixed, ALL)
    stage.start()
    other = Execution(kind_of(Hasty, ALL), stage.stream)
    with pytest.raises(Nondeterminism):
        other.replay(stage.journal)
    stage.execution = other
    turn = stage.keep(other.stick())
    assert turn.stuck is not None
    assert (turn.stuck.type, stage.types[-1]) == ("Nondeterminism", "Stuck")
    stage.done(1, 2)
    stage.reload(Fixed, ALL)
    assert [event.type for event in stage.keep(stage.execution.resume(stage.now)).events] == [
        "Resumed",
        "TaskScheduled",
    ]


def test_a_retry_does_not_make_nondeterminism_good() -> None:
    """What the code asks for in excess is not taken for what it owes."""
    stage = Stage(Fixed, ALL)
    stage.start()
    for _ in range(2):
        bold = Execution(kind_of(Bold, ALL), stage.stream)
        with pytest.raises(Nondeterminism, match="note"):
            bold.replay(stage.journal)
        stage.execution = bold
        stage.keep(bold.stick())
    assert stage.types == ["RunStarted", "TaskScheduled", "Stuck"]


def test_a_timer_that_the_fix_gives_up_is_cleared_on_resuming() -> None:
    """The row of the old code's timer must not stay."""

    class Timed(Workflow, name="Order"):
        async def run(self) -> None:
            async with asyncio.timeout(60):
                await double(1)
            raise ValueError("a mistake")

    class Mended(Workflow, name="Order"):
        async def run(self) -> None:
            async with asyncio.timeout(60):
                await double(1)
            await note("mended")

    stage = Stage(Timed, ALL)
    stage.start()
    stage.done(2, 2)
    stage.reload(Mended, ALL)
    turn = stage.keep(stage.execution.resume(stage.now))
    assert ([row.number for row in turn.timers_cleared], stage.execution.ledger.timers) == ([1], {})


def test_a_timer_still_fires_while_it_is_stuck() -> None:
    """Also one that the mistaken turn had given up: only the fix can tell."""

    class Timed(Workflow, name="Order"):
        async def run(self) -> str:
            try:
                async with asyncio.timeout(60):
                    await double(await double(1) // 0)
            except TimeoutError:
                return "late"
            return "in time"

    class Mended(Timed, name="Order"):
        async def run(self) -> str:
            try:
                async with asyncio.timeout(60):
                    await double(1)
                    await note("mended")
            except TimeoutError:
                return "late"
            return "in time"

    stage = Stage(Timed, ALL)
    stage.start()
    stage.done(2, 2)
    assert [event.type for event in stage.fire(1).events] == ["TimerFired"]
    stage.reload(Mended, ALL)
    stage.keep(stage.execution.resume(stage.now))
    assert stage.result == "late"


def test_local_tasks_run_again_after_the_fix() -> None:
    """Their calls were never recorded, so the fixed code asks anew."""

    class Local(Workflow, name="Order"):
        async def run(self) -> int:
            return await look_up("k")

        @command
        def go(self) -> None:
            raise ValueError("a mistake")

    class Mended(Local, name="Order"):
        @command
        def go(self) -> None: ...

    stage = Stage(Local, ALL)
    stage.start()
    stage.command("go")
    assert stage.execution.pending_local_calls() == []
    stage.reload(Mended, ALL)
    stage.keep(stage.execution.resume(stage.now))
    assert [call.task for call in stage.execution.pending_local_calls()] == [1]
