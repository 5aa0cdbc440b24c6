"""The histories that W6 replays are what the model itself recorded."""

from __future__ import annotations

import pytest

from actors.definition import WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from runtime.bench.app import app
from runtime.bench.workloads.replay import coroutine_history, counter_history


@pytest.mark.parametrize(("type", "per_step"), [("Steps", 1), ("Tasks", 2)])
def test_a_coroutine_comes_to_its_end(type: str, per_step: int) -> None:
    """Start, the steps, end; replaying it gives the result."""
    history = coroutine_history(type, 7)
    kind = app.type(type)
    assert isinstance(kind, WorkflowType)
    execution = Execution(kind, f"{type}/1")
    execution.replay(history)
    assert len(history) == 2 + 7 * per_step
    assert execution.outcome is not None
    assert bytes(execution.outcome.result or b"") == b"7"


def test_a_counter_counts() -> None:
    """One for each event."""
    kind = app.type("Counter")
    assert not isinstance(kind, WorkflowType)
    entity = Entity(kind, "Counter/1")
    entity.replay(counter_history(9))
    assert entity.state() == {"units": 9}
