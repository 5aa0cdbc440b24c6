"""What a batch of commits comes to.

The commit does one thing after the other to a table, all inserts of a batch and then all deletes, whatever the order of
its commits: a message that one removes and a later one puts again would be gone. So the batch is netted first: every
key of the outbox, the timers, the executions, the snapshots and the quarantine ends in at most one change.
The result equals applying the commits one after the other. Pure: no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

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
    bases: dict[str, int] = field(default_factory=dict)  # stream: version it must be at, where no unique key sees to it
    commits: list[tuple[Commit, int]] = field(default_factory=list)  # with the ordinal before its first event
    outbox: dict[tuple[int, str], OutboxChange] = field(default_factory=dict)
    timers: dict[tuple[int, TimerKey], bool] = field(default_factory=dict)  # True: set, False: clear
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    executions: dict[str, tuple[int, Execution, bool]] = field(default_factory=dict)  # True: it may well have its row
    quarantine: dict[tuple[int, str], Quarantined] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


def net(batch: Sequence[Commit]) -> Netted | None:
    """Net a batch; None when its commits contradict each other, so that somebody has to decide one by one.

    They do when one partition comes with two epochs, a stream's commits do not build on each other, a command id comes
    twice, or something happens to a stream after it was forgotten.
    """
    netted = Netted()
    streams: dict[str, tuple[int, int]] = {}  # where each begins and ends
    marks: set[tuple[str, str]] = set()
    for commit in batch:
        partition, stream, count = commit.partition, commit.stream, len(commit.events)
        epoch, ordinal = netted.heads.get(partition, (commit.epoch, 0))
        if epoch != commit.epoch:
            return None
        netted.heads[partition] = (epoch, ordinal + count)
        netted.commits.append((commit, ordinal))
        if stream:
            if stream in netted.forgotten:
                return None
            begin, version = streams.get(stream) or (commit.expected_version, commit.expected_version)
            if version != commit.expected_version:
                return None
            streams[stream] = (begin, version + count)
            for mark in commit.inbox:
                if (stream, mark.command_id) in marks:
                    return None
                marks.add((stream, mark.command_id))
        _add(netted, commit)
    # A stream that begins with this batch needs no look: its first event's unique key refuses a second beginning.
    netted.bases = {
        stream: begin
        for stream, (begin, end) in streams.items()
        if begin > 0 or end == begin or stream in netted.forgotten
    }
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
    netted.quarantine.update(((partition, poison.id), poison) for poison in commit.quarantine)
    if commit.snapshot is not None:
        netted.snapshots[commit.stream] = commit.snapshot
    if commit.forget:
        netted.forgotten.append(commit.stream)
    if commit.execution is not None:
        known = commit.expected_version > 0 and (
            commit.stream not in netted.executions or netted.executions[commit.stream][2]
        )
        row = commit.execution
        if row.attributes is None and commit.stream in netted.executions:
            row = replace(row, attributes=netted.executions[commit.stream][1].attributes)
        netted.executions[commit.stream] = (partition, row, known)


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
