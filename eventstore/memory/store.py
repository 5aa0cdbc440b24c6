"""The event store in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from msgspec.structs import replace

from eventstore.clock import Clock, utc_now
from eventstore.decision import decide
from eventstore.errors import CommitRefused
from eventstore.memory.log import Log, Partition
from eventstore.memory.matching import meets
from eventstore.memory.watch import MemoryWatch
from eventstore.records import (
    Commit,
    Condition,
    Direction,
    Execution,
    InboxMark,
    ListedExecution,
    LoadedStream,
    LoadRequest,
    OutboxMessage,
    Quarantined,
    RecordedEvent,
    Selection,
    Snapshot,
    TimerKey,
)
from eventstore.validation import validate

_NEVER = datetime.min.replace(tzinfo=UTC)


class MemoryStore:
    """An `EventStore` in this process's memory: same promises and errors, nothing survives the process.

    One object may serve several nodes of a test or simulation; `open` and `close` keep what it holds, so that
    a "restarted" node finds the log again. No method waits: each is atomic among asyncio tasks.
    """

    def __init__(self, partitions: int = 8, clock: Clock = utc_now) -> None:
        if partitions < 1:
            raise ValueError(f"a store has at least 1 partition, not {partitions}")
        self.log = Log([Partition(number) for number in range(partitions)])
        self.clock = clock

    @property
    def partitions(self) -> int:
        """How many partitions the store was created with."""
        return len(self.log.partitions)

    async def open(self) -> None:
        """Do nothing: memory is always there."""

    async def close(self) -> None:
        """Do nothing, and keep what is there for whoever opens it next."""

    # -- writing ----------------------------------------------------------------------------------------

    async def commit(self, batch: Sequence[Commit]) -> list[CommitRefused | None]:
        """Write a batch; see `EventStore.commit`."""
        validate(batch, self.partitions)
        answers = decide(
            batch,
            epochs={p.number: p.epoch for p in self.log.partitions},
            versions={commit.stream: len(self._events(commit.stream)) for commit in batch},
            handled=self._handled((commit.stream, mark.command_id) for commit in batch for mark in commit.inbox),
        )
        now = self.clock()
        snapshots: dict[str, Snapshot] = {}
        for commit, refusal in zip(batch, answers, strict=True):
            if refusal is None:
                self.log.apply(commit, now)
                if commit.snapshot is not None:
                    snapshots[commit.stream] = commit.snapshot
        for name, snapshot in snapshots.items():  # of several in one batch only the last is worth keeping
            self.log.keep_snapshot(name, snapshot)
        return answers

    async def count_attempt(self, partition: int, message: str) -> int:
        """Count an attempt at a suspect message; see `EventStore.count_attempt`."""
        attempts = self.log.partitions[partition].attempts
        count = attempts[message][0] + 1 if message in attempts else 1
        attempts[message] = (count, self.clock())
        return count

    async def forget_attempts(self, partition: int, messages: Sequence[str]) -> None:
        """Drop counts; see `EventStore.forget_attempts`."""
        for message in messages:
            self.log.partitions[partition].attempts.pop(message, None)

    async def forget_quarantined(self, ids: Sequence[str]) -> int:
        """Delete quarantined messages; see `EventStore.forget_quarantined`."""
        kept = [partition.quarantine for partition in self.log.partitions]
        return len([some.pop(id) for some in kept for id in ids if id in some])

    async def delete_snapshots(self, stream: str, *, upto: int | None = None) -> None:
        """Delete snapshots; see `EventStore.delete_snapshots`."""
        snapshots = self._snapshots(stream)
        for version in [version for version in snapshots if upto is None or version <= upto]:
            del snapshots[version]

    async def prune_inbox(self, older_than: timedelta) -> int:
        """Delete old inbox marks; see `EventStore.prune_inbox`."""
        horizon, pruned = self.clock() - older_than, 0
        for partition in self.log.partitions:
            partition.attempts = {id: kept for id, kept in partition.attempts.items() if kept[1] >= horizon}
        for stream in self.log.streams.values():
            old = [id for id, (_, recorded_at) in stream.inbox.items() if recorded_at < horizon]
            for id in old:
                del stream.inbox[id]
            pruned += len(old)
        return pruned

    # -- reading ----------------------------------------------------------------------------------------

    async def load(self, requests: Sequence[LoadRequest]) -> list[LoadedStream]:
        """Read what activations need; see `EventStore.load`."""
        return [self._load(request) for request in requests]

    def _load(self, request: LoadRequest) -> LoadedStream:
        stream = self.log.streams.get(request.stream)
        if stream is None:
            return LoadedStream(request.stream, [])
        snapshot = self._newest_snapshot(request.stream, None) if request.after is None else None
        after = request.after or (snapshot.version if snapshot else 0)
        return LoadedStream(
            request.stream,
            stream.events[max(after, 0) :],
            snapshot,
            {id: stream.inbox[id][0] for id in request.command_ids if id in stream.inbox},
        )

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        direction: Direction = Direction.FORWARDS,
    ) -> list[RecordedEvent]:
        """Read events of a stream; see `EventStore.read_stream`."""
        found = self._events(stream)[max(after, 0) : None if upto is None else max(upto, 0)]
        if direction is Direction.BACKWARDS:
            found.reverse()
        return found if limit is None else found[: max(limit, 0)]

    async def read_partition(self, partition: int, *, after: int = 0, limit: int = 1000) -> list[RecordedEvent]:
        """Read events of a partition; see `EventStore.read_partition`."""
        start = max(after, 0)
        behind = (event for event in islice(self.log.partitions[partition].events, start, None) if event is not None)
        return list(islice(behind, max(limit, 0)))

    async def read_selected(
        self, partition: int, selection: Selection, *, after: int, upto: int, limit: int
    ) -> list[RecordedEvent]:
        """Read chosen events of a partition; see `EventStore.read_selected`."""
        found = self.log.partitions[partition].events[max(after, 0) : max(upto, 0)]
        return [event for event in found if event is not None and selection.takes(event)][: max(limit, 0)]

    async def heads(self) -> list[int]:
        """Give every partition's newest offset; see `EventStore.heads`."""
        return [len(partition.events) for partition in self.log.partitions]

    def watch(self) -> MemoryWatch:
        """Give a new watch; see `EventStore.watch`."""
        return MemoryWatch(self.log)

    async def stream_version(self, stream: str) -> int:
        """Give a stream's newest version; see `EventStore.stream_version`."""
        return len(self._events(stream))

    async def partition_offset(self, partition: int) -> int:
        """Give a partition's newest offset; see `EventStore.partition_offset`."""
        return len(self.log.partitions[partition].events)

    async def replies(self, commands: Sequence[tuple[str, str]]) -> dict[tuple[str, str], InboxMark]:
        """Look up handled commands; see `EventStore.replies`."""
        return {(stream, id): self.log.streams[stream].inbox[id][0] for stream, id in self._handled(commands)}

    async def snapshot(self, stream: str, *, upto: int | None = None) -> Snapshot | None:
        """Give a stream's newest snapshot; see `EventStore.snapshot`."""
        return self._newest_snapshot(stream, upto)

    async def timers(self, partition: int, *, until: datetime, limit: int) -> list[TimerKey]:
        """Give timers due; see `EventStore.timers`."""
        kept = self.log.partitions[partition].timers
        return kept[: min(bisect_right(kept, until, key=lambda timer: timer.due_at), max(limit, 0))]

    async def outbox_named(self, partition: int, prefix: str, *, limit: int) -> list[OutboxMessage]:
        """Give messages by the beginning of their ids; see `EventStore.outbox_named`."""
        kept = self.log.partitions[partition].outbox.values()
        named = sorted((m for m in kept if m.id.startswith(prefix)), key=_by_time)
        return [replace(message) for message in named[: max(limit, 0)]]

    async def outbox_holds(self, partition: int, ids: Sequence[str]) -> set[str]:
        """Say which messages are there; see `EventStore.outbox_holds`."""
        return set(ids) & self.log.partitions[partition].outbox.keys()

    async def outbox(self, partition: int, *, until: datetime, limit: int) -> list[OutboxMessage]:
        """Give messages to publish; see `EventStore.outbox`."""
        kept = self.log.partitions[partition].outbox.values()
        due = sorted(
            (m for m in kept if m.due_at is None or m.due_at <= until),
            key=_by_time,
        )
        return [replace(message) for message in due[: max(limit, 0)]]

    async def unfinished(self, partition: int) -> list[ListedExecution]:
        """Give what a new owner must activate; see `EventStore.unfinished`."""
        listed = [e for e in self._listed() if e.partition == partition]
        return sorted((e for e in listed if e.execution.busy or e.execution.status == "stuck"), key=lambda e: e.stream)

    async def executions(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
        where: Sequence[Condition] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List executions; see `EventStore.executions`."""
        found = [
            listed
            for listed in self._listed()
            if (type is None or listed.stream.startswith(f"{type}/"))
            and (status is None or listed.execution.status == status)
            and all(meets(listed.execution.attributes, condition) for condition in where)
            and (before is None or (listed.execution.started_at, listed.stream) < before)
        ]
        found.sort(key=lambda listed: (listed.execution.started_at, listed.stream), reverse=True)
        return found[: max(limit, 0)]

    async def expired(self, partition: int, type: str, *, closed_before: datetime, limit: int) -> list[str]:
        """Give streams of a type that ended before a time; see `EventStore.expired`."""
        found = [
            listed
            for listed in self._listed()
            if listed.partition == partition
            and listed.stream.startswith(f"{type}/")
            and listed.execution.closed_at is not None
            and listed.execution.closed_at < closed_before
        ]
        found.sort(key=lambda listed: (listed.execution.started_at, listed.stream))
        return [listed.stream for listed in found[: max(limit, 0)]]

    async def execution(self, stream: str) -> Execution | None:
        """Give one row of the listing; see `EventStore.execution`."""
        kept = self.log.streams.get(stream)
        return None if kept is None or kept.execution is None else replace(kept.execution)

    async def count_executions(self) -> dict[tuple[str, str], int]:
        """Count executions by (type, status); see `EventStore.count_executions`."""
        counts: dict[tuple[str, str], int] = {}
        for listed in self._listed():
            key = (listed.stream.partition("/")[0], listed.execution.status)
            counts[key] = counts.get(key, 0) + 1
        return counts

    async def quarantined(self, *, limit: int = 100) -> list[Quarantined]:
        """List quarantined messages; see `EventStore.quarantined`."""
        kept = [message for partition in self.log.partitions for message in partition.quarantine.values()]
        return sorted(kept, key=lambda message: (message.at, message.id), reverse=True)[: max(limit, 0)]

    # -- looking up -------------------------------------------------------------------------------------

    def _events(self, name: str) -> list[RecordedEvent]:
        stream = self.log.streams.get(name)
        return stream.events if stream else []

    def _snapshots(self, name: str) -> dict[int, Snapshot]:
        stream = self.log.streams.get(name)
        return stream.snapshots if stream else {}

    def _handled(self, commands: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        streams = self.log.streams
        return {(stream, id) for stream, id in commands if stream in streams and id in streams[stream].inbox}

    def _newest_snapshot(self, name: str, upto: int | None) -> Snapshot | None:
        snapshots = self._snapshots(name)
        version = max((version for version in snapshots if upto is None or version <= upto), default=None)
        return None if version is None else replace(snapshots[version])

    def _listed(self) -> list[ListedExecution]:
        return [
            ListedExecution(name, stream.partition, replace(stream.execution))
            for name, stream in self.log.streams.items()
            if stream.execution is not None
        ]


def _by_time(message: OutboxMessage) -> tuple[bool, datetime, str]:
    return message.due_at is not None, message.due_at or _NEVER, message.id
