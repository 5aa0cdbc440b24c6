"""Whatever the program and the schedule: a replay of the journal is what happened live."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors import Bug
from actors.execution import Execution
from actors.journal import TaskCompleted, TaskFailed, decode_event
from tests.property.actors.programs import (
    TASKS,
    Interpreter,
    Mended,
    Player,
    Program,
    mistaken_programs,
    programs,
    schedules,
)
from tests.unit.actors.stage import Recorded, Stage, kind_of

few = settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def view(execution: Execution) -> dict[str, Any]:
    """All that an outsider can see of an instance."""
    state = execution.state()
    ledger = execution.ledger
    return {
        "trail": list(state["trail"]),
        "count": state["count"],
        "locked": state["lock"].locked(),
        "waiting": execution.waiting_for(),
        "version": execution.version,
        "outcome": execution.outcome,
        "tasks": {number: task.attempt for number, task in ledger.tasks.items()},
        "timers": dict(ledger.timers),
        "commands": {id: taken.outcome for id, taken in ledger.commands.items()},
        "local": [(call.task, call.name, bytes(call.input)) for call in execution.pending_local_calls()],
    }


def play(stage: Stage, program: Program, schedule: list[int]) -> None:
    player = Player(stage)
    player.start(program)
    for choice in schedule:
        player.play(choice)


@few
@given(programs(), schedules)
def test_every_prefix_of_whole_turns_replays_to_the_live_state(program: Program, schedule: list[int]) -> None:
    """State, waits, answers, outcome and version, after each turn."""
    with Stage(Mended, TASKS) as stage:
        player = Player(stage)
        player.start(program)
        assert view(stage.replayed()) == view(stage.execution)
        for choice in schedule:
            if player.play(choice).events:
                assert view(stage.replayed()) == view(stage.execution)


@few
@given(programs(), schedules, st.sets(st.integers(0, 20)))
def test_unloading_at_any_turn_changes_nothing(program: Program, schedule: list[int], unloads: set[int]) -> None:
    """An instance that was unloaded and replayed in between writes the same journal as one that never was."""
    with Stage(Mended, TASKS) as stage, Stage(Mended, TASKS) as other:
        player = Player(stage)
        player.start(program)
        for place, choice in enumerate(schedule):
            if place in unloads:
                stage.reload()
            player.play(choice)
        play(other, program, schedule)
        assert bare(stage.journal) == bare(other.journal)


@few
@given(programs(), schedules)
def test_replay_is_idempotent(program: Program, schedule: list[int]) -> None:
    """Twice gives the same, and stepping is replaying."""
    with Stage(Mended, TASKS) as stage:
        play(stage, program, schedule)
        stepped = stage.fresh()
        assert [type(event).__name__ for event in stepped.steps(stage.journal)] == stage.types
        assert view(stage.replayed()) == view(stage.replayed()) == view(stepped)


@few
@given(programs(), schedules)
def test_a_task_has_one_outcome(program: Program, schedule: list[int]) -> None:
    """However often outcomes come."""
    with Stage(Mended, TASKS) as stage:
        play(stage, program, schedule)
        events = [decode_event(event.type, event.data) for event in stage.journal]
    ended = [event.task for event in events if isinstance(event, TaskCompleted | TaskFailed)]
    assert len(ended) == len(set(ended))


@few
@given(mistaken_programs(), schedules, st.integers(0, 20))
def test_a_fix_makes_up_for_what_a_mistake_held_back(program: Program, schedule: list[int], fixed_after: int) -> None:
    """Facts come before, while and after the instance is stuck; the fixed code replays all of it to the live state."""
    with Stage(Interpreter, TASKS) as stage:
        player = Player(stage)
        player.start(program)
        for choice in schedule[:fixed_after]:
            player.play(choice)
        mend(stage, player)
        for choice in schedule[fixed_after:]:
            player.play(choice)
        assert stage.execution.broken is None
        assert view(stage.replayed()) == view(stage.execution)


def mend(stage: Stage, player: Player) -> None:
    stage.execution.dispose()
    stage.kind = kind_of(Mended, TASKS)
    stage.reload()
    player.note(stage.keep(stage.execution.resume(stage.now)))
    player.calls |= {call.task: call for call in stage.execution.pending_local_calls()}


@few
@given(mistaken_programs(), schedules)
def test_the_same_mistake_is_found_again_in_replay(program: Program, schedule: list[int]) -> None:
    """A live mistake and a replayed one are the same mistake, and the journal says it once."""
    with Stage(Interpreter, TASKS) as stage:
        play(stage, program, schedule)
        again = stage.fresh()
        with contextlib.suppress(Bug):
            again.replay(stage.journal)
        live = stage.execution
        assert (again.broken is None, again.version) == (live.broken is None, live.version)
        assert again.stick().events == []


def bare(journal: list[Recorded]) -> list[tuple[int, str, bytes]]:
    return [(event.version, event.type, event.data) for event in journal]
