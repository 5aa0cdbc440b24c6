"""The tables of the in-memory store, and how one accepted commit changes them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from eventstore.records import (
    Commit,
    Execution,
    InboxMark,
    OutboxMessage,
    Quarantined,
    RecordedEvent,
    Snapshot,
    TimerKey,
)


@dataclass(slots=True)
class Partition:
    """A partition: its lease, its events by offset, and what its owner has to do."""

    number: int
    epoch: int = 0
    owner: str | None = None
    expires_at: datetime | None = None
    events: list[RecordedEvent | None] = field(default_factory=list)  # None: of a stream that was forgotten
    outbox: dict[str, OutboxMessage] = field(default_factory=dict)
    timers: list[TimerKey] = field(default_factory=list)  # sorted
    attempts: dict[str, tuple[int, datetime]] = field(default_factory=dict)  # how many, and when the last one was
    quarantine: dict[str, Quarantined] = field(default_factory=dict)
    awaited: set[asyncio.Event] = field(default_factory=set)  # who wants to hear of the next event


@dataclass(slots=True)
class Stream:
    """A stream: its events by version and what is kept under its name."""

    partition: int
    events: list[RecordedEvent] = field(default_factory=list)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    inbox: dict[str, tuple[InboxMark, datetime]] = field(default_factory=dict)
    execution: Execution | None = None


@dataclass(slots=True)
class Log:
    """All of a store's tables. Changes happen between two awaits, so that each is atomic."""

    partitions: list[Partition]
    streams: dict[str, Stream] = field(default_factory=dict)
    nodes: dict[str, datetime] = field(default_factory=dict)  # node: when it counts as dead

    def apply(self, commit: Commit, now: datetime) -> None:
        """Make an accepted commit true. Within one commit removals come after additions."""
        partition = self.partitions[commit.partition]
        if commit.stream:
            stream = self.streams.setdefault(commit.stream, Stream(commit.partition))
            if commit.forget:
                _forget(partition, stream)
            _append(partition, stream, commit)
            for mark in commit.inbox:
                stream.inbox[mark.command_id] = (mark, now)
            if commit.execution is not None:
                before = None if stream.execution is None else stream.execution.attributes
                attributes = before if commit.execution.attributes is None else commit.execution.attributes
                stream.execution = replace(commit.execution, attributes=attributes)
        _relay(partition, commit)
        _schedule(partition, commit)
        partition.quarantine.update((message.id, message) for message in commit.quarantine)

    def keep_snapshot(self, name: str, snapshot: Snapshot) -> None:
        """Store a snapshot; the newest one before it stays as a reserve, older ones go."""
        snapshots = self.streams[name].snapshots
        snapshots[snapshot.version] = replace(snapshot)
        reserve = max((version for version in snapshots if version < snapshot.version), default=0)
        for version in [version for version in snapshots if version < reserve]:
            del snapshots[version]


def _append(partition: Partition, stream: Stream, commit: Commit) -> None:
    for event in commit.events:
        recorded = RecordedEvent(
            partition=commit.partition,
            offset=len(partition.events) + 1,
            stream=commit.stream,
            version=len(stream.events) + 1,
            epoch=commit.epoch,
            type=event.type,
            data=event.data,
            recorded_at=event.recorded_at,
            schema=event.schema,
            causation_id=event.causation_id,
            correlation_id=event.correlation_id,
            trace=event.trace,
        )
        partition.events.append(recorded)
        stream.events.append(recorded)
    if commit.events:
        while partition.awaited:
            partition.awaited.pop().set()


def _forget(partition: Partition, stream: Stream) -> None:
    for event in stream.events:
        partition.events[event.offset - 1] = None
    stream.events, stream.snapshots, stream.execution = [], {}, None


def _relay(partition: Partition, commit: Commit) -> None:
    for message in commit.outbox:
        partition.outbox[message.id] = replace(message)
    for redelivery in commit.outbox_redeliver:
        if (kept := partition.outbox.get(redelivery.id)) is not None:
            kept.due_at = redelivery.due_at
            if redelivery.body is not None:
                kept.body = redelivery.body
    for name in commit.outbox_remove:
        partition.outbox.pop(name, None)


def _schedule(partition: Partition, commit: Commit) -> None:
    timers = partition.timers
    for timer in commit.timers_set:
        place = bisect_left(timers, timer)
        if timers[place : place + 1] != [timer]:
            timers.insert(place, timer)
    for timer in commit.timers_clear:
        place = bisect_left(timers, timer)
        if timers[place : place + 1] == [timer]:
            del timers[place]
