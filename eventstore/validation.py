"""What the log can keep, checked before anything is written.

Both stores call this first, so that a bad record is refused the same way everywhere. The rules are Postgres's
own: no NUL and no lone surrogate in text, bounded keys (a B-tree entry has a limit), aware datetimes, integers
that fit their columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from eventstore.errors import UnserialisableInput
from eventstore.records import Attributes, Commit, NewEvent, OutboxMessage

KEY_BYTES = 1000  # streams, command ids and other names that are indexed, in UTF-8
INT_MAX = 2**31 - 1
SCHEMA_MAX = 2**15 - 1
DIGEST_MAX = 2**63 - 1


def validate(batch: Sequence[Commit], partitions: int) -> None:
    """Check every record of a batch.

    Raises:
        UnserialisableInput: naming the record and what is wrong with it.
    """
    homes: dict[str, int] = {}
    for commit in batch:
        _place(commit, partitions, homes)
        if commit.events:
            _events(commit)
        if commit.inbox:
            _inbox(commit)
        if commit.outbox or commit.outbox_redeliver or commit.outbox_remove:
            _outbox(commit)
        if commit.timers_set or commit.timers_clear:
            _timers(commit)
        if commit.snapshot is not None:
            _snapshot(commit)
        if commit.execution is not None:
            _execution(commit)
        if commit.quarantine:
            _quarantine(commit)


def _place(commit: Commit, partitions: int, homes: dict[str, int]) -> None:
    """A stream lives in one partition, and housekeeping without a stream writes nothing that needs one."""
    _integer(commit.partition, "partition", partitions - 1)
    _integer(commit.epoch, "epoch", INT_MAX)
    if commit.stream == "":
        if (
            commit.events
            or commit.inbox
            or commit.snapshot is not None
            or commit.execution is not None
            or commit.forget
        ):
            raise UnserialisableInput(
                "a commit without a stream may hold outbox, timer and quarantine changes only; give it its stream"
            )
        return
    _key(commit.stream, "stream")
    if commit.forget and (commit.snapshot is not None or commit.execution is not None):
        raise UnserialisableInput(
            f"{commit.stream}: a commit that forgets a stream leaves events behind, and no snapshot or row of the listing"
        )
    _integer(commit.expected_version, "expected_version", INT_MAX - len(commit.events))
    if homes.setdefault(commit.stream, commit.partition) != commit.partition:
        raise UnserialisableInput(
            f"stream {commit.stream} stands in partitions {homes[commit.stream]} and {commit.partition} of one batch; "
            "a stream belongs to one partition"
        )


def _events(commit: Commit) -> None:
    for event in commit.events:
        if not _is_ordinary_event(event):
            _event(commit.stream, event)


def _is_ordinary_event(event: NewEvent) -> bool:
    """Recognise the usual event at a fifth of the full check's cost; False means only: look closer."""
    cause, correlation, trace = event.causation_id, event.correlation_id, event.trace
    try:
        text = f"{event.type}{cause or ''}{correlation or ''}{trace or ''}"
        return (
            event.type.__class__ is str
            and (cause is None or cause.__class__ is str)
            and (correlation is None or correlation.__class__ is str)
            and (trace is None or trace.__class__ is str)
            and text.isascii()
            and "\x00" not in text
            and 0 < len(event.type) <= KEY_BYTES
            and event.data.__class__ is bytes
            and event.recorded_at.__class__ is datetime
            and event.recorded_at.tzinfo is not None
            and event.schema.__class__ is int
            and 0 <= event.schema <= SCHEMA_MAX
        )
    except (TypeError, AttributeError):
        return False


def _event(stream: str, event: NewEvent) -> None:
    _key(event.type, "event type")
    _data(event.data, stream, "event data")
    _time(event.recorded_at, stream, "event recorded_at")
    _integer(event.schema, f"{stream}: event schema", SCHEMA_MAX)
    _optional(event.causation_id, stream, "causation_id")
    _optional(event.correlation_id, stream, "correlation_id")
    _optional(event.trace, stream, "trace")


def _inbox(commit: Commit) -> None:
    for mark in commit.inbox:
        _key(mark.command_id, "command id")
        _data(mark.reply, commit.stream, "reply")
        _integer(mark.digest, "digest", DIGEST_MAX, lowest=-DIGEST_MAX - 1)


def _outbox(commit: Commit) -> None:
    for message in commit.outbox:
        if not _is_ordinary_message(message):
            _message(message)
    for redelivery in commit.outbox_redeliver:
        _key(redelivery.id, "outbox id")
        _time(redelivery.due_at, redelivery.id, "due_at")
        if redelivery.body is not None:
            _data(redelivery.body, redelivery.id, "body")
    for name in commit.outbox_remove:
        _key(name, "outbox id")


def _is_ordinary_message(message: OutboxMessage) -> bool:
    """Recognise the usual message quickly; False means only: look closer."""
    correlation, due_at = message.correlation_id, message.due_at
    try:
        text = f"{message.id}{message.destination}{message.routing_key}{correlation or ''}"
        return (
            message.id.__class__ is str
            and message.destination.__class__ is str
            and message.routing_key.__class__ is str
            and (correlation is None or correlation.__class__ is str)
            and text.isascii()
            and "\x00" not in text
            and 0 < len(message.id) <= KEY_BYTES
            and 0 < len(message.destination) <= KEY_BYTES
            and message.body.__class__ is bytes
            and (due_at is None or (due_at.__class__ is datetime and due_at.tzinfo is not None))
        )
    except (TypeError, AttributeError):
        return False


def _message(message: OutboxMessage) -> None:
    _key(message.id, "outbox id")
    _key(message.destination, "destination")
    _text(message.routing_key, message.id, "routing_key")
    _data(message.body, message.id, "body")
    _optional(message.correlation_id, message.id, "correlation_id")
    if message.due_at is not None:
        _time(message.due_at, message.id, "due_at")


def _timers(commit: Commit) -> None:
    for timers in (commit.timers_set, commit.timers_clear):
        for timer in timers:
            _key(timer.stream, "timer stream")
            _time(timer.due_at, timer.stream, "timer due_at")
            _integer(timer.number, f"{timer.stream}: timer number", INT_MAX)


def _snapshot(commit: Commit) -> None:
    snapshot, stream = commit.snapshot, commit.stream
    assert snapshot is not None  # noqa: S101 - the caller looked
    head = commit.expected_version + len(commit.events)
    _integer(snapshot.version, f"{stream}: snapshot version", INT_MAX, lowest=1)
    if snapshot.version > head:
        raise UnserialisableInput(
            f"{stream}: a snapshot at version {snapshot.version} of a stream that this commit brings to {head}; "
            "a snapshot is of a version that exists"
        )
    _data(snapshot.data, stream, "snapshot data")
    _integer(snapshot.schema, f"{stream}: snapshot schema", SCHEMA_MAX)
    _text(snapshot.code, stream, "snapshot code")


def _execution(commit: Commit) -> None:
    execution, stream = commit.execution, commit.stream
    assert execution is not None  # noqa: S101 - the caller looked
    _key(execution.status, "status")
    _time(execution.started_at, stream, "started_at")
    _time(execution.updated_at, stream, "updated_at")
    if execution.closed_at is not None:
        _time(execution.closed_at, stream, "closed_at")
    _flag(execution.busy, f"{stream}: busy")
    _optional(execution.error, stream, "error")
    _optional(execution.correlation_id, stream, "correlation_id")
    if execution.attributes is not None:
        _attributes(stream, execution.attributes)


def _attributes(stream: str, attributes: Attributes) -> None:
    for name, value in attributes.items():
        _key(name, "attribute name")
        if isinstance(value, str):
            _text(value, stream, f"attribute {name}")
        elif not math.isfinite(value):
            raise UnserialisableInput(
                f"{stream}: attribute {name} must be text, a bool or a finite number, not {value!r}"
            )


def _quarantine(commit: Commit) -> None:
    for message in commit.quarantine:
        _key(message.id, "quarantined id")
        _text(message.source, message.id, "source")
        _data(message.body, message.id, "body")
        _text(message.reason, message.id, "reason")
        _integer(message.attempts, f"{message.id}: attempts", INT_MAX)
        _time(message.at, message.id, "at")


def _text(value: Any, owner: str, field: str) -> None:
    if not isinstance(value, str):
        raise UnserialisableInput(f"{owner}: {field} must be text, not {type(value).__name__}")
    if "\x00" in value:
        raise UnserialisableInput(f"{owner!r}: {field} holds a NUL character, which text in the log can't; remove it")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnserialisableInput(f"{owner!r}: {field} is not valid Unicode text: {error.reason}") from error


def _optional(value: Any, owner: str, field: str) -> None:
    if value is not None:
        _text(value, owner, field)


def _key(value: Any, field: str) -> None:
    if value.__class__ is str and value.isascii() and 0 < len(value) <= KEY_BYTES and "\x00" not in value:
        return
    _text(value, str(value)[:100], field)
    if not 0 < len(value.encode()) <= KEY_BYTES:
        raise UnserialisableInput(
            f"{field} {value[:40]!r}: expected 1 to {KEY_BYTES} bytes of UTF-8, got {len(value.encode())}"
        )


def _data(value: Any, owner: str, field: str) -> None:
    if not isinstance(value, bytes):
        raise UnserialisableInput(f"{owner}: {field} must be bytes, not {type(value).__name__}; encode it first")


def _time(value: Any, owner: str, field: str) -> None:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise UnserialisableInput(f"{owner}: {field} must be an aware datetime, not {value!r}")


def _integer(value: Any, what: str, highest: int, *, lowest: int = 0) -> None:
    if not isinstance(value, int) or not lowest <= value <= highest:
        raise UnserialisableInput(f"{what} must be an integer from {lowest} to {highest}, not {value!r}")


def _flag(value: Any, what: str) -> None:
    if not isinstance(value, bool):
        raise UnserialisableInput(f"{what} must be True or False, not {value!r}")
