"""A failed run goes on from its failed step: its last turn is taken back, and every replay passes over it."""

from __future__ import annotations

import asyncio

import pytest

from actors import InvalidInput, Nondeterminism, TaskError, Workflow
from actors.continuation import last_run
from actors.journal import Correction
from actors.turn import Turn
from tests.unit.actors.flows import ALL, double, look_up, note, reserve
from tests.unit.actors.stage import Stage

ANN = Correction("r", "the bank is back", "ann")


class Flow(Workflow, name="Order"):
    """One task after the other, with notes of all sorts in the turn that fails."""

    async def run(self) -> list[int]:
        done = [await double(1)]
        beside = asyncio.ensure_future(double(2))
        try:
            async with asyncio.timeout(60):
                done.append(await double(3))
        except TaskError:
            self.set_search_attributes(failed=True)
            self.record(lambda: 7, int)
            self.patched("new")
            raise
        return [*done, await beside]


class Retried(Stage):
    def retry(self) -> Turn:
        """Retry as the runtime does: load, take the turn back, load again, go on."""
        self.reload_same()
        turn = self.keep(self.execution.retry(ANN, self.now))
        self.reload_same()
        self.keep(self.execution.resume(self.now))
        return turn


def failed(cls: type[Workflow] = Flow) -> Retried:
    stage = Retried(cls, ALL)
    stage.start()
    stage.done(1, 10)
    stage.fail(3)
    assert stage.types[-1] == "RunFailed"
    return stage


def test_everything_that_was_open_is_open_again() -> None:
    """The step under its number, what ran beside it, and a timer that is as much later as the run had ended."""
    with failed() as stage:
        stage.now += 1000
        stage.retry()
        turn = stage.turns[-1]
        assert [event.type for event in turn.events] == ["Resumed"]
        assert [task.task for task in turn.tasks] == [3, 4]
        assert [row.number for row in turn.timers_set] == [2]
        assert abs(turn.timers_set[0].due - stage.now - 60) < 1e-3
        assert stage.execution.ledger.tasks[3].former == 1
        assert stage.execution.ledger.attributes is None


def test_it_goes_on_and_replays() -> None:
    """Also from a cold load, and retried twice; what is taken back is never heard of again."""
    with failed() as stage:
        stage.retry()
        stage.fail(3)
        assert stage.error.type == "ValueError"
        stage.retry()
        stage.reload_same()
        stage.done(3, 30)
        stage.reload_same()
        stage.done(4, 20)
        assert stage.result == [10, 30, 20]
        stage.reload_same()
        assert stage.result == [10, 30, 20]
        assert stage.types.count("RunFailed") == 2
        assert sum(1 for _ in stage.fresh().steps(stage.journal)) == len(stage.journal)


def test_a_local_task_is_run_again() -> None:
    """It has no row: the load that follows runs it."""

    class Local(Workflow, name="Order"):
        async def run(self) -> int:
            return await look_up("x")

    with Retried(Local, ALL) as stage:
        stage.start()
        stage.fail(1, local="look_up")
        stage.retry()
        assert [call.task for call in stage.execution.pending_local_calls()] == [1]
        stage.done(1, 5, local="look_up")
        stage.reload_same()
        assert stage.result == 5


def test_a_run_that_was_retried_may_start_over() -> None:
    """What its former run took back is passed over there, too."""

    class Twice(Workflow, name="Order"):
        async def run(self, round: int = 0) -> int:
            n = await double(round)
            if round == 0:
                self.continue_as_new(1)
            return n

    with Retried(Twice, ALL) as stage:
        stage.start()
        stage.fail(1)
        stage.retry()
        stage.done(1, 1)
        kept, before = last_run(stage.journal)
        assert kept is not None
        execution = stage.fresh()
        execution.replay(stage.journal[before:], kept)
        assert execution.ledger.corrections == {"r": "retry"}
        assert execution.waiting_for() == stage.execution.waiting_for() == ["task #2 double"]


def test_code_that_changed_meanwhile_is_stuck_and_not_failed() -> None:
    """With what it needs still to be opened; mended code opens it."""

    class Changed(Workflow, name="Order"):
        async def run(self) -> None:
            await note("other")

    with failed() as stage:
        stage.reload_same()
        stage.keep(stage.execution.retry(ANN, stage.now))
        with pytest.raises(Nondeterminism):
            stage.reload(Changed, ALL)
        stage.reload_same()
        turn = stage.keep(stage.execution.resume(stage.now))
        assert [task.task for task in turn.tasks] == [3, 4]


@pytest.mark.parametrize("what", ["clean-up", "result", "child"])
def test_what_can_not_be_taken_back_is_refused(what: str) -> None:
    """Where its code went on, where no step failed, where its failure stopped others; nothing is recorded."""

    class Other(Workflow, name="Order"):
        async def run(self) -> None:
            if what == "child":
                self.start_child(Other, "c", on_close="cancel")
            try:
                await reserve("a")
            except TaskError:
                if what == "clean-up":
                    asyncio.ensure_future(note("x"))  # noqa: RUF006 - nobody waits for it
                    await asyncio.sleep(0)
                raise
            raise TaskError("t", "T", "no")

    number = 2 if what == "child" else 1
    with Retried(Other, ALL) as stage:
        stage.start()
        if what == "result":
            stage.done(number, "x")
        else:
            stage.fail(number)
        stage.reload_same()
        events = len(stage.journal)
        expected = {
            "clean-up": r"its code went on \(TaskScheduled\(#2 note\)\)", "result": "TaskCompleted",
            "child": "has stopped its children Order/c",
        }  # fmt: skip
        with pytest.raises(InvalidInput, match=expected[what]):
            stage.retry()
        assert len(stage.journal) == events
