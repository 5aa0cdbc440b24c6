"""What stands in for a task: results, failures, functions, one after the other."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from actors import Retry, RunFailed, TaskError, Workflow, task, task_context
from actors.testing import NoEnd, NothingHappens, StoryFailed, TaskNotExpected, WorkflowTest, in_turn, must_not_run
from tests.unit.testing.shop import Declined, Order, app, charge
from tests.unit.testing.test_runner import NEW_YEAR


@task(timeout=5, retry=Retry(max_attempts=2, first_delay=10), raises=(Declined,))
async def work(n: int) -> int:
    return n + 1


@task(local=True, retry=Retry(max_attempts=2, first_delay=3))
async def near(n: int) -> int:
    return n * 2


@task
async def forever() -> None: ...


class Does(Workflow):
    async def run(self, n: int) -> Any:
        try:
            return await work(n)
        except TaskError as error:
            return [error.type, str(self.now().minute * 60 + self.now().second)]


class Near(Workflow):
    async def run(self, n: int) -> int:
        return await near(n)


class Hurried(Workflow):
    async def run(self, n: int) -> int:
        try:
            async with asyncio.timeout(2):
                return await work(n)
        except TimeoutError:
            return -1


class Endless(Workflow):
    async def run(self) -> None:
        await forever()


CLASSES = (Does, Near, Hurried, Endless)


def result(does: Any, workflow: type[Workflow] = Does) -> tuple[Any, WorkflowTest]:
    run = WorkflowTest(*CLASSES, tasks={work: does, near: near, forever: None})
    return run.start(workflow, "1", 1).result(), run


def test_a_result() -> None:
    """The same for every call."""
    assert result(7)[0] == 7


def test_a_function() -> None:
    """Gets the task's arguments; async or not; the task itself is one."""

    async def later(n: int) -> int:
        return n + 20

    assert result(lambda n: n + 10)[0] == 11
    assert result(later)[0] == 21
    assert result(work)[0] == 2


def test_the_context() -> None:
    """A function can ask for the key and the attempt, as on a worker."""
    asked: list[tuple[str, int]] = []

    async def note(n: int) -> int:
        asked.append((task_context().key, task_context().attempt))
        if len(asked) == 1:
            raise ConnectionError
        return n

    result(note)
    assert asked == [("Does/1#1", 1), ("Does/1#1", 2)]


def test_a_failure_is_retried_by_policy() -> None:
    """In virtual time: two attempts, ten seconds apart, and then the workflow hears of it."""
    found, run = result(ConnectionError("down"))
    assert found == ["ConnectionError", "10"]
    assert [(call.attempt, call.at - NEW_YEAR) for call in run.calls(work)] == [
        (1, timedelta()),
        (2, timedelta(seconds=10)),
    ]


def test_a_declared_failure_is_not_retried() -> None:
    """And it reaches the workflow as its own class."""
    run = WorkflowTest(*CLASSES, tasks={work: Declined("no"), near: 1, forever: None})
    with pytest.raises(RunFailed, match="Declined: no"):
        run.start(Does, "1", 1).result()
    assert len(run.calls(work)) == 1


def test_one_outcome_after_the_other() -> None:
    """Failures and results, an attempt each; one more than there are fails the test."""
    found, run = result(in_turn(ConnectionError("down"), 5))
    assert found == 5
    with pytest.raises(TaskNotExpected, match="call 3, and the test gives 2 in turn"):
        run.start(Does, "2", 1)
    assert result(in_turn(OSError, lambda n: n + 30))[0] == 31


def test_running_out_of_time() -> None:
    """A function's sleep takes virtual time, and a task's timeout ends it."""

    async def slow(n: int) -> int:
        await asyncio.sleep(4)
        return n

    async def too_slow(n: int) -> int:
        await asyncio.sleep(6)
        return n

    found, run = result(slow)
    assert (found, run.now - NEW_YEAR) == (1, timedelta(seconds=4))
    found, run = result(too_slow)
    assert found == ["TaskTimeout", "20"]  # 5 seconds, 10 to the next attempt, 5 more
    found, run = result(slow, Hurried)
    assert (found, run.now - NEW_YEAR) == (-1, timedelta(seconds=2))


def test_must_not_run() -> None:
    """The test fails with the call."""
    with pytest.raises(
        TaskNotExpected, match=r"Does/1#1 calls task work \(attempt 1\) with .*'n': 1.*, which must not run"
    ):
        result(must_not_run)


def test_a_task_that_the_test_says_nothing_of() -> None:
    """Fails the test, with what to write; or runs, if the test wants all of them to."""
    with pytest.raises(TaskNotExpected, match=r"tasks=\{tax: …\} takes a result"):
        WorkflowTest(app, tasks={charge: "p"}).start(Order, "1", "ada", 500)
    run = WorkflowTest(app, real=True)
    run.start(Order, "1", "ada", 500).call("ship", "T-1")
    assert {call.task for call in run.calls()} == {"charge", "tax", "write_to"}


def test_local_tasks() -> None:
    """Are retried, too, inside the node."""
    run = WorkflowTest(*CLASSES, tasks={near: in_turn(OSError("no"), 8), work: 1, forever: None})
    assert run.start(Near, "1", 1).result() == 8
    assert run.now - NEW_YEAR == timedelta(seconds=3)
    run = WorkflowTest(*CLASSES, tasks={near: OSError("no"), work: 1, forever: None})
    with pytest.raises(RunFailed, match="OSError: no"):
        run.start(Near, "1", 1).result()


def test_retries_without_end() -> None:
    """Are found out."""
    run = WorkflowTest(*CLASSES, tasks={forever: OSError("no"), work: 1, near: 1})
    with pytest.raises(NoEnd, match=r"task forever of Endless/1 has failed 1000 times.*max_attempts"):
        run.start(Endless, "1").result()


def test_changed_on_the_way() -> None:
    """From now on the task does something else."""
    run = WorkflowTest(*CLASSES, tasks={work: 1, near: 1, forever: None})
    assert run.start(Does, "1", 1).result() == 1
    run.task(work, 2)
    assert run.start(Does, "2", 1).result() == 2


def test_the_tests_own_mistakes() -> None:
    """An assertion in a function, a result of another type, a wait for the world: all fail the test, none is retried."""

    def checked(n: int) -> int:
        assert n == 2, "the test's own"
        return n

    async def outside(n: int) -> int:
        return await asyncio.get_running_loop().run_in_executor(None, lambda: n)

    async def waits(n: int) -> int:
        await asyncio.Event().wait()
        return n

    with pytest.raises(AssertionError, match="the test's own"):
        result(checked)
    with pytest.raises(StoryFailed, match="work returned what its annotation does not allow"):
        result("seven")
    with pytest.raises(NothingHappens, match="A test has no world outside"):
        result(outside)
    assert result(waits)[0][0] == "TaskTimeout"
