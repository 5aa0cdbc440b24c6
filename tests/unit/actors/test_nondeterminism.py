"""Code that does not do what the journal says is found at the exact version, in exact words, and does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import Bug, Nondeterminism, Rejected, Workflow, command, query
from actors.execution import Execution
from tests.unit.actors.flows import ALL, double, look_down, look_up, note
from tests.unit.actors.stage import Recorded, Stage, kind_of, raw

Body = Callable[["Recording"], Any]


class Recording(Workflow, name="Order"):
    """The code as it was: two tasks, a timer, the end."""

    def __init__(self) -> None:
        self.path: list[str] = []

    async def run(self) -> int:
        n = await double(1)
        await note("two")
        await asyncio.sleep(60)
        return n

    @query
    def seen(self) -> list[str]:
        return self.path


def recorded() -> Stage:
    """1 RunStarted, 2 TaskScheduled, 3 TaskCompleted, 4 TaskScheduled, 5 TaskCompleted, 6 TimerSet, 7 TimerFired, 8 RunCompleted."""
    stage = Stage(Recording, ALL)
    stage.start()
    stage.done(1, 2)
    stage.done(2)
    stage.fire(3)
    return stage


async def another_task(flow: Recording) -> int:
    n = await double(1)
    await double(n)
    await asyncio.sleep(60)
    return n


async def missing_request(flow: Recording) -> int:
    n = await double(1)
    await flow.until(lambda: False)
    return n


async def missing_at_the_end(flow: Recording) -> int:
    n = await double(1)
    await note("two")
    return n


async def another_kind(flow: Recording) -> int:
    n = await double(1)
    await asyncio.sleep(1)
    return n


async def extra_request(flow: Recording) -> int:
    n = await double(1)
    await asyncio.gather(note("two"), note("three"))
    return n


async def never_ends(flow: Recording) -> int:
    n = await double(1)
    await note("two")
    await asyncio.sleep(60)
    await flow.until(lambda: False)
    return n


async def fails_at_the_end(flow: Recording) -> int:
    await double(1)
    await note("two")
    await asyncio.sleep(60)
    raise Rejected("now it fails")


DIFFERENCES = [
    (another_task, 4, "TaskScheduled(#2 note)", "asks for TaskScheduled(#2 double)"),
    (missing_request, 4, "TaskScheduled(#2 note)", "asks for nothing more at this point"),
    (missing_at_the_end, 6, "TimerSet(#3)", "asks for RunCompleted"),
    (another_kind, 4, "TaskScheduled(#2 note)", "asks for TimerSet(#2)"),
    (extra_request, 5, "TaskCompleted(#2)", "first asks for TaskScheduled(#3 note)"),
    (never_ends, 8, "RunCompleted", "asks for nothing more at this point"),
    (fails_at_the_end, 8, "RunCompleted", "asks for RunFailed(Rejected)"),
]


def changed(body: Body) -> type[Workflow]:
    class Changed(Recording, name="Order"):
        async def run(self) -> int:
            result: int = await body(self)
            return result

    return Changed


@pytest.mark.parametrize(("body", "version", "was", "wants"), DIFFERENCES, ids=[row[0].__name__ for row in DIFFERENCES])
def test_a_difference_is_found_where_it_is(body: Body, version: int, was: str, wants: str) -> None:
    """Version, what was recorded, what the code wants now."""
    with pytest.raises(Nondeterminism) as caught:
        recorded().replayed(changed(body), ALL)
    error = caught.value
    assert (error.stream, error.version, error.recorded, error.wanted) == ("Order/1", version, was, wants)
    assert str(error) == (
        f"Order/1: at version {version} the journal has {was}, but the code now {wants}. "
        "Deploy code that does what was recorded; the instance goes on by itself"
    )


@pytest.mark.parametrize("body", [row[0] for row in DIFFERENCES if row[0] is not never_ends])
def test_nothing_of_the_wrong_path_is_applied(body: Body) -> None:
    """The instance is broken, counts its journal to the end, answers no query, and asks for nothing."""
    stage = recorded()
    stage.journal.pop()  # as if it still went on
    execution = Execution(kind_of(changed(body), ALL), stage.stream)
    with pytest.raises(Nondeterminism):
        execution.replay(stage.journal)
    assert (execution.version, execution.outcome) == (7, None)
    with pytest.raises(Bug, match="is stuck"):
        execution.query("seen", raw({}))
    turn = execution.stick()
    assert ([event.type for event in turn.events], turn.tasks, turn.timers_set) == (["Stuck"], [], [])


@pytest.mark.parametrize("body", [another_task, another_kind, extra_request])
def test_a_wrong_path_stays_silent_while_facts_come(body: Body) -> None:
    """They are recorded for the right code, and the wrong code is not run on them."""
    stage = Stage(Recording, ALL)
    stage.start()
    stage.done(1, 2)
    stage.execution = Execution(kind_of(changed(body), ALL), stage.stream)
    with pytest.raises(Nondeterminism):
        stage.execution.replay(stage.journal)
    stage.keep(stage.execution.stick())
    turn = stage.done(2)
    assert ([event.type for event in turn.events], turn.tasks, turn.finished) == (["TaskCompleted"], [], None)


def test_an_extra_request_at_the_very_end_is_found() -> None:
    """A journal ends with a whole turn, so what the code asks for beyond it is a difference too."""
    stage = Stage(Recording, ALL)
    stage.start()
    stage.done(1, 2)
    with pytest.raises(
        Nondeterminism, match=r"at version 5 the journal has nothing more, .* asks for TaskScheduled\(#3 note\)"
    ):
        stage.replayed(changed(extra_request), ALL)


class Both(Workflow, name="Order"):
    async def run(self) -> int:
        return sum(await asyncio.gather(double(1), look_up("k")))


class Swapped(Workflow, name="Order"):
    async def run(self) -> int:
        return sum(await asyncio.gather(look_up("k"), double(1)))


class OtherLocal(Workflow, name="Order"):
    async def run(self) -> int:
        return sum(await asyncio.gather(double(1), look_down("k")))


class NoLocal(Workflow, name="Order"):
    async def run(self) -> int:
        return await double(1)


def test_another_order_is_found() -> None:
    """The numbering tells."""
    stage = Stage(Both, ALL)
    stage.start()
    with pytest.raises(Nondeterminism, match=r"at version 2 .*#1 double.*#2 double"):
        stage.replayed(Swapped, ALL)


@pytest.mark.parametrize(
    ("cls", "wants"),
    [(OtherLocal, "asks for local task #2 look_down"), (NoLocal, "has asked for 1 operations only")],
)
def test_another_local_task_is_found_by_its_outcome(cls: type[Workflow], wants: str) -> None:
    """It has no other record; the wrong code never sees the result."""
    stage = Stage(Both, ALL)
    stage.start()
    stage.done(2, 7, local="look_up")
    with pytest.raises(Nondeterminism) as caught:
        stage.replayed(cls, ALL)
    assert (caught.value.version, caught.value.recorded, caught.value.wanted) == (
        3, "TaskCompleted(#2 look_up)", wants,
    )  # fmt: skip


def test_changed_arguments_are_no_difference() -> None:
    """Values may change with the code; kinds, names and order may not."""

    class Changed(Recording, name="Order"):
        async def run(self) -> int:
            n = await double(999)
            await note("other words")
            await asyncio.sleep(5)
            return n

    assert recorded().replayed(Changed, ALL).outcome == recorded().execution.outcome


def test_a_command_that_was_answered_otherwise_keeps_its_answer() -> None:
    """What the caller was told stays true."""

    class Now(Recording, name="Order"):
        @command
        def go(self) -> int:
            return 2

    class Before(Recording, name="Order"):
        @command
        def go(self) -> int:
            return 1

    stage = Stage(Before, ALL)
    stage.start()
    stage.command("go", id="c")
    taken = stage.replayed(Now, ALL).ledger.commands["c"].outcome
    assert taken is not None
    assert bytes(taken.result or b"") == b"1"


def test_a_command_that_is_gone_is_a_mistake_not_a_loss() -> None:
    """The journal has it, so the code must still know it."""

    class Before(Recording, name="Order"):
        @command
        def go(self) -> int:
            return 1

    stage = Stage(Before, ALL)
    stage.start()
    stage.command("go")
    with pytest.raises(Bug, match="no command 'go'"):
        stage.replayed(Recording, ALL)


@pytest.mark.parametrize(
    ("type", "data", "wants"),
    [("OrderPlaced", b"{}", "does not know that type"), ("TaskCompleted", b'{"task":"x"}', "can't read it"),
     ("TimerSet", b'{"timer":3,"due":null}', "can't read it")],
)  # fmt: skip
def test_an_event_that_cant_be_read_parks_the_instance(type: str, data: bytes, wants: str) -> None:
    """Loudly, with the count of versions right, so that it can still be marked as stuck."""
    stage = recorded()
    stage.journal[4] = Recorded(5, type, data, stage.journal[4].recorded_at)
    execution = Execution(stage.kind, stage.stream)
    with pytest.raises(Nondeterminism, match=wants) as caught:
        execution.replay(stage.journal)
    assert (caught.value.version, execution.version, execution.broken is not None) == (5, 8, True)
