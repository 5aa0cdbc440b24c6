"""Actors whose commands wait, in a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from actors import DefinitionError
from actors.testing import CommandFailed, InstanceStuck, WorkflowTest, crash_everywhere, scenario
from tests.unit.testing.branch import Account, Book, Desk, Lines, Mended, Work, app, tell_customer, weigh
from tests.unit.testing.test_runner import NEW_YEAR

TASKS: dict[Any, Any] = {tell_customer: None, weigh: weigh}


def test_a_command_that_waits() -> None:
    """For a local task, a timer, a worker's task and another actor; its caller waits along."""
    run = WorkflowTest(app, tasks=TASKS)
    desk = run.get(Desk, "1")
    assert desk.call("mend", "clock") == 5
    assert run.now - NEW_YEAR == timedelta(seconds=50)
    assert (desk.state, run.get(Book, "desk").state) == (Work(5, ["clock"]), Lines(["clock"]))
    assert [e for e in desk.events if isinstance(e, Mended)] == [Mended("clock", 5)]


def test_one_at_a_time() -> None:
    """What comes meanwhile waits for its turn."""
    run = WorkflowTest(app, tasks=TASKS)
    desk = run.get(Desk, "1")
    first, second = desk.send("mend", "clock"), desk.send("count")
    assert desk.waiting_for() == "timer #3, command count behind it"
    assert desk.answer("count", second) == 1
    assert run.now - NEW_YEAR == timedelta(seconds=50)
    assert desk.answer("mend", first) == 5


def test_failures_and_mistakes() -> None:
    """A declared failure keeps what was emitted; a mistake fails the test with its own traceback."""
    run = WorkflowTest(app, tasks=TASKS)
    desk = run.get(Desk, "1")
    with pytest.raises(CommandFailed, match="Rejected: lost"):
        desk.call("lose", "ring")
    assert desk.state == Work(1, ["ring"])
    with pytest.raises(InstanceStuck, match="Desk/1 is stuck, when it handled TimerDue: KeyError") as caught:
        desk.call("fail")
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(DefinitionError, match="mend is async"):
        scenario(Desk, others=[Account, Book]).when("mend", "clock")


def story(run: WorkflowTest) -> object:
    """Commands of both sorts, one behind the other."""
    desk = run.get(Desk, "1")
    said = [
        desk.send(name, *args) for name, *args in (("mend", "clock"), ("count",), ("lose", "ring"), ("mend", "pin"))
    ]
    answers = [desk.answer("mend", said[0]), desk.answer("count", said[1])]
    with pytest.raises(CommandFailed, match="lost"):
        desk.answer("lose", said[2])
    return [*answers, desk.answer("mend", said[3]), desk.call("count"), desk.state]


def test_nobody_notices_a_crash() -> None:
    """A command under way is run again from its beginning."""
    assert crash_everywhere(app, story, tasks=TASKS, check_json=True) > 40
