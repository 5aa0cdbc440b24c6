"""Going on from a failed step: which turn is taken back, and when that is safe.

Nothing is deleted: the turn stays in the journal, and every fold over it passes over what `RunRetried` takes back. That is safe only when
nothing has left the instance because of that turn but the news of its failure. So the turn has to be the fact of the failed step and
the run's failure, with nothing in between but notes of the code to itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.errors import InvalidInput
from actors.journal import (
    AttributesSet,
    ChildFailed,
    Correction,
    JournalEvent,
    Patched,
    RunFailed,
    RunRetried,
    TaskFailed,
    ValueRecorded,
    decode_event,
    event_class,
)
from actors.ledger import Ledger
from actors.turn import HistoryEvent

_NOTES = (AttributesSet, ValueRecorded, Patched)
_RETRIED = RunRetried.__name__


def undone(history: Sequence[HistoryEvent]) -> frozenset[int]:
    """Give the versions of the events that were taken back; hardly ever is there any."""
    retried = [decode_event(event.type, event.data) for event in history if event.type == _RETRIED]
    if not retried:
        return frozenset()
    ends = [event.version for event in history if event.type == _RETRIED]
    return frozenset(
        version
        for event, end in zip(retried, ends, strict=True)
        if isinstance(event, RunRetried)
        for version in range(event.since, end)
    )


def pass_over(ledger: Ledger, recorded: HistoryEvent) -> JournalEvent | None:
    """Let a ledger pass over an event that was taken back, and give it, None if it is unknown.

    That its step was settled by hand is remembered all the same: the request is carried out once.
    """
    ledger.version += 1
    event = decode_event(recorded.type, recorded.data)
    if isinstance(event, TaskFailed | ChildFailed) and event.correction is not None:
        ledger.skipped(event.correction, _step(event))
    return event


def last_turn(history: Sequence[HistoryEvent]) -> list[HistoryEvent]:
    """Give the last fact and its decisions."""
    for place in range(len(history) - 1, -1, -1):
        kind = event_class(history[place].type)
        if kind is not None and kind.is_fact:
            return list(history[place:])
    return list(history)


def retry(turn: Sequence[HistoryEvent], ledger: Ledger, correction: Correction, at: float) -> RunRetried:
    """Make the fact that has a failed run go on.

    Args:
        turn: its last one.
        ledger: the run's, with all of its journal.
        correction: who does it.
        at: when, in seconds since the epoch.

    Raises:
        InvalidInput: it did not fail by a step, or its code went on after that; the message says what to do instead.
    """
    events = [decode_event(event.type, event.data) for event in turn]
    fact, decisions = events[0], events[1:]
    if not isinstance(fact, TaskFailed | ChildFailed):
        raise InvalidInput(f"{_what(fact)} made it fail, and that is no step that could be tried again; {_ELSE}")
    went_on = [event for event in decisions if event is not None and not isinstance(event, (*_NOTES, RunFailed))]
    if went_on:
        what = ", ".join(map(_what, went_on))
        raise InvalidInput(f"after {_what(fact)} its code went on ({what}), which can't be taken back; {_ELSE}")
    stopped = [
        child.stream
        for child in ledger.children.values()
        if child.on_close != "abandon" and child.child > ledger.before
    ]
    if stopped:
        raise InvalidInput(f"its failure has stopped its children {', '.join(stopped)}; {_ELSE}")
    idle = max(0.0, at - turn[-1].recorded_at.timestamp())
    return RunRetried(correction.id, turn[0].version, _step(fact), idle, correction.reason, correction.by)


def _step(fact: TaskFailed | ChildFailed) -> int:
    return fact.task if isinstance(fact, TaskFailed) else fact.child


def _what(event: JournalEvent | None) -> str:
    return "an event that can't be read" if event is None else event.title()


_ELSE = "`perdure fork --at VERSION` goes on from an earlier point as a new instance, `restart` begins again"
