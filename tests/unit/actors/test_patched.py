"""`self.patched`: a run takes the new way if it gets there for the first time now, and keeps to what it decided."""

from __future__ import annotations

import asyncio

import pytest

from actors import Nondeterminism, Workflow, command, query
from actors.execution import Execution
from tests.unit.actors.flows import ALL, double, note
from tests.unit.actors.stage import Stage, kind_of, raw


class Plain(Workflow, name="Order"):
    """The code before the patch."""

    async def run(self) -> str:
        await double(1)
        await note("old")
        return "old"


class Adding(Workflow, name="Order"):
    """The code with the patch: checks twice where it noted."""

    async def run(self) -> str:
        await double(1)
        if self.patched("check"):
            await double(2)
            await double(3)
            return "new"
        await note("old")
        return "old"

    @query
    def is_new(self) -> bool:
        return self.patched("check")


class Removed(Workflow, name="Order"):
    """The code when no old run is left."""

    async def run(self) -> str:
        await double(1)
        await double(2)
        await double(3)
        return "new"


def at(facts: int, cls: type[Workflow] = Plain) -> Stage:
    """A run that heard of its start, and of the ends of so many tasks less one."""
    stage = Stage(cls, ALL)
    stage.start()
    for number in range(1, facts):
        stage.done(number, number)
    return stage


def test_a_run_that_gets_there_now_takes_the_patch_and_records_it() -> None:
    """The decision stands in the journal before what it leads to."""
    stage = at(2, Adding)
    assert stage.types[-2:] == ["Patched", "TaskScheduled"]
    stage.done(2, 4)
    stage.done(3, 6)
    assert (stage.result, stage.types.count("Patched")) == ("new", 1)
    assert stage.replayed().outcome == stage.execution.outcome


def test_patch_added_to_a_run_that_has_passed_its_place() -> None:
    """It keeps to the old way, and nothing is recorded."""
    stage = at(2)
    stage.reload(Adding, ALL)
    stage.done(2)
    assert (stage.result, "Patched" in stage.types) == ("old", False)
    assert stage.replayed(Adding, ALL).outcome == stage.execution.outcome


def test_patch_added_to_a_run_that_has_not_come_to_its_place() -> None:
    """It takes the new way, though it began with the old code."""
    stage = at(1)
    stage.reload(Adding, ALL)
    stage.done(1, 2)
    stage.done(2, 4)
    stage.done(3, 6)
    assert stage.result == "new"


def test_an_old_and_a_new_run_go_on_side_by_side() -> None:
    """One code serves both, also after both were unloaded."""
    old, new = at(2), at(2, Adding)
    old.reload(Adding, ALL)
    old.reload(Adding, ALL)
    new.reload()
    old.done(2)
    new.done(2, 4)
    new.reload()
    new.done(3, 6)
    assert (old.result, new.result) == ("old", "new")


@pytest.mark.parametrize("facts", [2, 3, 4])
def test_patch_removed_from_under_a_run_that_took_it(facts: int) -> None:
    """The record that nobody asks for is passed over."""
    stage = at(facts, Adding)
    stage.reload(Removed, ALL)
    for number in range(facts, 4):
        stage.done(number, number)
    assert stage.result == "new"


def test_patch_removed_too_early_is_found() -> None:
    """A run that took the old way does not agree with code that has only the new one."""
    with pytest.raises(Nondeterminism, match=r"has TaskScheduled\(#2 note\), .* asks for TaskScheduled\(#2 double\)"):
        at(2).replayed(Removed, ALL)


def test_patch_taken_back_is_found() -> None:
    """A run that took the new way does not agree with the code of before."""
    with pytest.raises(Nondeterminism, match=r"has TaskScheduled\(#2 double\), .* asks for TaskScheduled\(#2 note\)"):
        at(2, Adding).replayed(Plain, ALL)


class Loop(Workflow, name="Order"):
    """Three rounds; `once` and `each` are what the rounds were told."""

    def __init__(self) -> None:
        self.once: list[bool] = []
        self.each: list[bool] = []

    def ask(self, n: int) -> None: ...

    async def run(self) -> None:
        for n in range(3):
            self.ask(n)
            await double(n)


class PatchedLoop(Loop, name="Order"):
    def ask(self, n: int) -> None:
        self.once.append(self.patched("all"))
        self.each.append(self.patched(f"round-{n}"))


def test_in_a_loop_a_run_decides_once() -> None:
    """A round after the deployment is told what the rounds before it were told; a name for each round decides anew."""
    stage = at(2, Loop)
    stage.reload(PatchedLoop, ALL)
    stage.done(2, 2)
    stage.reload(PatchedLoop, ALL)
    stage.done(3, 3)
    stage.reload(PatchedLoop, ALL)
    assert (stage.execution.state()["once"], stage.execution.state()["each"]) == (
        [False, False, False], [False, False, True],
    )  # fmt: skip


def test_in_a_loop_of_a_new_run_the_patch_is_recorded_once() -> None:
    """Asking again costs no event."""
    stage = at(4, PatchedLoop)
    stage.reload()
    assert stage.execution.state()["once"] == [True, True, True]
    assert stage.types.count("Patched") == 1 + 3


def test_a_query_records_nothing() -> None:
    """It is told what the run has decided, and decides nothing for it."""
    stage = at(1, Adding)
    assert stage.query("is_new") is False
    stage.done(1, 2)
    assert stage.query("is_new") is True
    assert stage.types.count("Patched") == 1
    old = at(2)
    old.reload(Adding, ALL)
    assert old.query("is_new") is False


def test_a_command_takes_a_patch_of_its_own() -> None:
    """Handlers ask as `run` does."""

    class Before(Workflow, name="Order"):
        async def run(self) -> None:
            await self.until(lambda: False)

        @command
        def go(self) -> str:
            return "old"

    class After(Before, name="Order"):
        @command
        def go(self) -> str:
            return "new" if self.patched("go") else "old"

    stage = Stage(Before, ALL)
    stage.start()
    stage.reload(After, ALL)
    turn = stage.command("go", id="c")
    assert [event.type for event in turn.events] == ["CommandReceived", "Patched", "CommandCompleted"]
    assert stage.replayed(After, ALL).ledger.commands["c"].outcome == stage.execution.ledger.commands["c"].outcome


def test_a_patch_mends_a_run_that_is_stuck_right_there() -> None:
    """It never passed the place, so it takes the new way; the facts that came meanwhile do, too."""

    class Mistaken(Workflow, name="Order"):
        async def run(self) -> str:
            await double(1)
            raise ValueError("a mistake")

    class Mended(Workflow, name="Order"):
        async def run(self) -> str:
            await double(1)
            if not self.patched("mend"):
                raise ValueError("a mistake")
            await asyncio.sleep(60)
            return "mended"

    stage = at(2, Mistaken)
    stage.reload(Mended, ALL)
    turn = stage.keep(stage.execution.resume(stage.now))
    assert [event.type for event in turn.events] == ["Resumed", "Patched", "TimerSet"]
    stage.reload(Mended, ALL)
    stage.fire(2)
    assert stage.result == "mended"


def test_a_place_passed_long_before_a_run_got_stuck_stays_passed() -> None:
    """Being stuck makes only those turns new whose decisions are not recorded."""

    class Mistaken(Workflow, name="Order"):
        async def run(self) -> None:
            await double(1)
            await double(2)
            raise ValueError("a mistake")

    class Mended(Workflow, name="Order"):
        def __init__(self) -> None:
            self.told: list[bool] = []

        async def run(self) -> None:
            await double(1)
            self.told.append(self.patched("first"))
            await double(2)
            self.told.append(self.patched("second"))
            await self.until(lambda: False)

    stage = at(3, Mistaken)
    stage.reload(Mended, ALL)
    stage.keep(stage.execution.resume(stage.now))
    stage.reload(Mended, ALL)
    assert stage.execution.state()["told"] == [False, True]


def test_a_turn_that_was_lost_decides_again() -> None:
    """What was never recorded was never decided: the next activation takes the patch and records it."""
    stage = at(1)
    lost = Execution(kind_of(Adding, ALL), stage.stream)
    lost.replay(stage.journal)
    lost.task_completed(1, raw(2), stage.now)  # and its commit is refused
    stage.reload(Adding, ALL)
    assert [event.type for event in stage.done(1, 2).events] == ["TaskCompleted", "Patched", "TaskScheduled"]
