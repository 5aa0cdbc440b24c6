"""What a batch of commits comes to, as the columns of one statement.

The parts of a data-modifying SQL statement share one snapshot and cannot see each other's rows: a row that
one commit of a batch inserts and a later one deletes would stay for ever. So the batch is netted first: every
key of the outbox, the timers, the executions, the snapshots and the quarantine ends in at most one change.
The result equals applying the commits one after the other. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from eventstore.checksum import checksum
from eventstore.records import (
    Commit,
    Execution,
    OutboxMessage,
    Quarantined,
    Redelivery,
    Snapshot,
    TimerKey,
)

_REMOVED = None
OutboxChange = OutboxMessage | Redelivery | None  # put, change in place, or remove


@dataclass(slots=True)
class Netted:
    """The net changes of a batch whose streams each stand in order."""

    heads: dict[int, tuple[int, int]] = field(default_factory=dict)  # partition: epoch, events to append
    bases: dict[str, tuple[int, int]] = field(default_factory=dict)  # stream: partition, version it must be at
    commits: list[tuple[Commit, int]] = field(default_factory=list)  # with the ordinal before its first event
    outbox: dict[tuple[int, str], OutboxChange] = field(default_factory=dict)
    timers: dict[tuple[int, TimerKey], bool] = field(default_factory=dict)  # True: set, False: clear
    snapshots: dict[str, tuple[int, Snapshot]] = field(default_factory=dict)
    executions: dict[str, tuple[int, Execution]] = field(default_factory=dict)
    quarantine: dict[tuple[int, str], Quarantined] = field(default_factory=dict)


def net(batch: Sequence[Commit]) -> Netted | None:
    """Net a batch; None when its commits contradict each other, so that somebody has to decide one by one.

    They do when one partition comes with two epochs, a stream's commits do not build on each other, or a command
    id comes twice.
    """
    netted = Netted()
    versions: dict[str, int] = {}
    marks: set[tuple[str, str]] = set()
    for commit in batch:
        partition, stream, count = commit.partition, commit.stream, len(commit.events)
        epoch, ordinal = netted.heads.get(partition, (commit.epoch, 0))
        if epoch != commit.epoch:
            return None
        netted.heads[partition] = (epoch, ordinal + count)
        netted.commits.append((commit, ordinal))
        if stream:
            if versions.setdefault(stream, commit.expected_version) != commit.expected_version:
                return None
            netted.bases.setdefault(stream, (partition, commit.expected_version))
            versions[stream] += count
            for mark in commit.inbox:
                if (stream, mark.command_id) in marks:
                    return None
                marks.add((stream, mark.command_id))
        _add(netted, commit)
    return netted


def _add(netted: Netted, commit: Commit) -> None:
    """Lay one commit's changes over the earlier ones. Within a commit removals come after additions."""
    partition = commit.partition
    outbox, timers = netted.outbox, netted.timers
    for message in commit.outbox:
        outbox[partition, message.id] = message
    for redelivery in commit.outbox_redeliver:
        _redeliver(outbox, (partition, redelivery.id), redelivery)
    for name in commit.outbox_remove:
        outbox[partition, name] = _REMOVED
    for timer in commit.timers_set:
        timers[partition, timer] = True
    for timer in commit.timers_clear:
        timers[partition, timer] = False
    for poison in commit.quarantine:
        netted.quarantine[partition, poison.id] = poison
    if commit.snapshot is not None:
        netted.snapshots[commit.stream] = (partition, commit.snapshot)
    if commit.execution is not None:
        netted.executions[commit.stream] = (partition, commit.execution)


def _redeliver(outbox: dict[tuple[int, str], OutboxChange], key: tuple[int, str], new: Redelivery) -> None:
    """A message that an earlier commit removed stays removed; one that it put or changed takes the change over."""
    if key not in outbox:
        outbox[key] = new
        return
    old = outbox[key]
    if isinstance(old, OutboxMessage):
        outbox[key] = replace(old, due_at=new.due_at, body=old.body if new.body is None else new.body)
    elif isinstance(old, Redelivery):
        outbox[key] = Redelivery(new.id, new.due_at, old.body if new.body is None else new.body)


def columns(netted: Netted) -> list[list[Any]]:
    """Turn net changes into the commit statement's parameters `$1 …`, one list a column, in its order."""
    heads = sorted(netted.heads.items())
    return [
        [partition for partition, _ in heads],
        [epoch for _, (epoch, _) in heads],
        [count for _, (_, count) in heads],
        [partition for partition, _ in netted.bases.values()],
        list(netted.bases),
        [version for _, version in netted.bases.values()],
        *_event_columns(netted),
        *_inbox_columns(netted),
        *_outbox_columns(netted),
        *_timer_columns(netted),
        *_snapshot_columns(netted),
        *_execution_columns(netted),
        *_quarantine_columns(netted),
    ]


def _transpose(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _event_columns(netted: Netted) -> list[list[Any]]:
    rows = []
    for commit, ordinal in netted.commits:
        place, version = ordinal, commit.expected_version
        for e in commit.events:
            place += 1
            version += 1
            rows.append(
                (
                    commit.partition,
                    place,
                    commit.stream,
                    version,
                    e.type,
                    e.schema,
                    e.data,
                    e.recorded_at,
                    e.causation_id,
                    e.correlation_id,
                    e.trace,
                )
            )
    return _transpose(rows, 11)


def _inbox_columns(netted: Netted) -> list[list[Any]]:
    rows = [
        (commit.partition, commit.stream, mark.command_id, mark.digest, mark.reply)
        for commit, _ in netted.commits
        for mark in commit.inbox
    ]
    return _transpose(rows, 5)


def _outbox_columns(netted: Netted) -> list[list[Any]]:
    put: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    removed: list[tuple[Any, ...]] = []
    for (partition, name), change in netted.outbox.items():
        match change:
            case OutboxMessage() as m:
                put.append((partition, name, m.destination, m.routing_key, m.body, m.correlation_id, m.due_at))
            case Redelivery() as r:
                changed.append((partition, name, r.due_at, r.body))
            case None:
                removed.append((partition, name))
    return [*_transpose(put, 7), *_transpose(changed, 4), *_transpose(removed, 2)]


def _timer_columns(netted: Netted) -> list[list[Any]]:
    rows: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
    for (partition, timer), is_set in netted.timers.items():
        rows[is_set].append((partition, timer.due_at, timer.stream, timer.number))
    return [*_transpose(rows[True], 4), *_transpose(rows[False], 4)]


def _snapshot_columns(netted: Netted) -> list[list[Any]]:
    rows = [
        (partition, stream, s.version, s.schema, s.code, s.data, checksum(stream, s))
        for stream, (partition, s) in netted.snapshots.items()
    ]
    return _transpose(rows, 7)


def _execution_columns(netted: Netted) -> list[list[Any]]:
    rows = [
        (partition, stream, e.status, e.busy, e.started_at, e.updated_at, e.closed_at, e.error, e.correlation_id)
        for stream, (partition, e) in netted.executions.items()
    ]
    return _transpose(rows, 9)


def _quarantine_columns(netted: Netted) -> list[list[Any]]:
    rows = [
        (partition, q.id, q.source, q.body, q.reason, q.attempts, q.at)
        for (partition, _), q in netted.quarantine.items()
    ]
    return _transpose(rows, 7)
