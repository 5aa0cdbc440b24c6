"""Replay for debugging: run an instance's own code over its history, and look at the state in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from eventstore.records import RecordedEvent
from runtime.cli import journal
from runtime.cli.output import plain

_ABSENT = object()


class Step(Struct, frozen=True):
    """One event, and the state right after it. `changed` holds what the event changed, with its new value."""

    version: int
    type: str
    title: str
    recorded_at: datetime
    state: Any
    changed: dict[str, Any]
    waiting_for: list[str]


def replay(kind: ActorType | WorkflowType, stream: str, history: Sequence[RecordedEvent]) -> Iterator[Step]:
    """Give the state after each event.

    Raises:
        Nondeterminism: after the last step, when the code does not do what the journal says.
        Bug: the same, when the code raised something undeclared.
    """
    instance = Execution(kind, stream) if isinstance(kind, WorkflowType) else Entity(kind, stream)
    before: Any = {}
    titles = journal.Titles()
    try:
        # The steps stand first: when the history ends, they go on to say what is wrong with it.
        for _, event in zip(instance.steps(history), history, strict=False):
            state = plain(instance.state())
            waiting = instance.waiting_for() if isinstance(instance, Execution) else []
            yield Step(
                event.version,
                event.type,
                titles.of(event),
                event.recorded_at,
                state,
                _changed(before, state),
                waiting,
            )
            before = state
    finally:
        instance.dispose()


def _changed(before: Any, after: Any) -> dict[str, Any]:
    if not isinstance(after, dict):
        return {} if before == after else {"state": after}
    old = before if isinstance(before, dict) else {}
    return {name: value for name, value in after.items() if old.get(name, _ABSENT) != value}
