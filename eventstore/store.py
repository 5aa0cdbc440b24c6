"""The port: what an event store must do, for Postgres and for memory alike.

Invariants, and who enforces them in Postgres:

| invariant | enforced by |
|---|---|
| a stream's versions are 1, 2, 3 … | unique (stream, version), and the commit's check that `expected_version` exists |
| a partition's offsets are gapless and visible in order | they are handed out under the row lock of the partition's head |
| only the lease holder writes | the head's update compares the epoch, in the commit itself |
| a command id changes a stream once | unique (stream, command id) in the inbox |
| events never change | a trigger that refuses UPDATE, DELETE and TRUNCATE |
| a commit is all or nothing | one transaction, one call |
| a follower that waits hears of the next event | it asks under the head's row lock; a trigger on the head answers |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from eventstore.errors import CommitRefused
from eventstore.records import (
    Commit,
    Condition,
    Direction,
    Execution,
    InboxMark,
    Lease,
    ListedExecution,
    LoadedStream,
    LoadRequest,
    Membership,
    OutboxMessage,
    Quarantined,
    RecordedEvent,
    Selection,
    Snapshot,
    TimerKey,
)


class EventStore(Protocol):
    """The append-only log and what commits with it. Every method may raise `StoreUnavailable`."""

    @property
    def partitions(self) -> int:
        """How many partitions the store was created with; known once it is open."""
        ...

    async def open(self) -> None:
        """Connect and check the schema.

        Raises:
            SchemaMismatch: the database is not migrated, or newer than this code.
            StoreUnavailable: it can't be reached, or refuses the credentials.
        """
        ...

    async def close(self) -> None:
        """Release every connection; safe to call twice and before `open`."""
        ...

    # -- writing ----------------------------------------------------------------------------------------

    async def commit(self, batch: Sequence[Commit]) -> list[CommitRefused | None]:
        """Write a batch of commits, of any streams and partitions, in one transaction.

        Several commits of one stream must stand in order, each building on the one before. The answer has
        one entry a commit: None when it is durable, else why it alone was left out; a refused commit takes
        the later ones of its stream with it (`WrongExpectedVersion`), and nobody else.

        Raises:
            StoreUnavailable: no answer; each commit may or may not be durable.
            UnserialisableInput: nothing was written.
        """
        ...

    async def count_attempt(self, partition: int, message: str) -> int:
        """Record that a suspect message is about to be handled; the answer counts this attempt."""
        ...

    async def forget_attempts(self, partition: int, messages: Sequence[str]) -> None:
        """Drop the count of messages that were handled after all."""
        ...

    async def forget_quarantined(self, ids: Sequence[str]) -> int:
        """Delete quarantined messages that somebody has taken care of; says how many there were."""
        ...

    async def delete_snapshots(self, stream: str, *, upto: int | None = None) -> None:
        """Delete a stream's snapshots up to and including a version; all of them with None."""
        ...

    async def prune_inbox(self, older_than: timedelta) -> int:
        """Delete inbox marks older than the horizon, and say how many; counts of attempts that old go with them."""
        ...

    # -- reading ----------------------------------------------------------------------------------------

    async def load(self, requests: Sequence[LoadRequest]) -> list[LoadedStream]:
        """Read what many activations need in one round trip, in the order of the requests."""
        ...

    async def read_stream(
        self,
        stream: str,
        *,
        after: int = 0,
        upto: int | None = None,
        limit: int | None = None,
        direction: Direction = Direction.FORWARDS,
    ) -> list[RecordedEvent]:
        """Read events with `after < version <= upto`, at most `limit`, in the direction's order."""
        ...

    async def read_partition(self, partition: int, *, after: int = 0, limit: int = 1000) -> list[RecordedEvent]:
        """Read a partition's events with `offset > after` in order; an event that is missing was never written."""
        ...

    async def read_selected(
        self, partition: int, selection: Selection, *, after: int, upto: int, limit: int
    ) -> list[RecordedEvent]:
        """Read those of a partition's events with `after < offset <= upto` that a selection names, in order."""
        ...

    async def heads(self) -> list[int]:
        """Give the newest offset of every partition, by number; whatever lies at or below is visible to every later read."""
        ...

    def watch(self) -> Watch:
        """Give a new watch, to wait for events without asking again and again; see `Subscription` for its use."""
        ...

    async def stream_version(self, stream: str) -> int:
        """Give the stream's newest version, 0 for a stream that does not exist."""
        ...

    async def partition_offset(self, partition: int) -> int:
        """Give the partition's newest offset, 0 for an empty one."""
        ...

    async def replies(self, commands: Sequence[tuple[str, str]]) -> dict[tuple[str, str], InboxMark]:
        """Look up which of these (stream, command id) were handled."""
        ...

    async def snapshot(self, stream: str, *, upto: int | None = None) -> Snapshot | None:
        """Give the snapshot of the highest version, or of the highest up to a version."""
        ...

    async def timers(self, partition: int, *, until: datetime, limit: int) -> list[TimerKey]:
        """Give the partition's timers due up to a time, soonest first."""
        ...

    async def outbox(self, partition: int, *, until: datetime, limit: int) -> list[OutboxMessage]:
        """Give outbox messages that were never known to be published, then those due again up to a time."""
        ...

    async def outbox_named(self, partition: int, prefix: str, *, limit: int) -> list[OutboxMessage]:
        """Give outbox messages whose ids begin with a prefix that ends with ASCII, as `outbox` sorts them."""
        ...

    async def outbox_holds(self, partition: int, ids: Sequence[str]) -> set[str]:
        """Say which of these outbox messages are still there."""
        ...

    async def unfinished(self, partition: int) -> list[ListedExecution]:
        """Give the partition's executions that a new owner must activate: busy ones, and those with status `stuck`."""
        ...

    async def executions(
        self,
        *,
        type: str | None = None,
        status: str | None = None,
        where: Sequence[Condition] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List executions that meet all conditions, newest start first; `before` is the (started_at, stream) of the last
        one seen.
        """
        ...

    async def expired(self, partition: int, type: str, *, closed_before: datetime, limit: int) -> list[str]:
        """Give a partition's streams of a type whose execution ended before a time; those that began first come first."""
        ...

    async def execution(self, stream: str) -> Execution | None:
        """Give one stream's row of the listing."""
        ...

    async def count_executions(self) -> dict[tuple[str, str], int]:
        """Count executions by (type, status)."""
        ...

    async def quarantined(self, *, limit: int = 100) -> list[Quarantined]:
        """List quarantined messages, newest first."""
        ...


class Watch(Protocol):
    """Waiting for events. In this order nothing is missed: `ask`, then look at the heads, then `wait`."""

    async def ask(self, partitions: Sequence[int]) -> None:
        """Want to be woken by the next event of any of these partitions; forgets earlier wake-ups.

        Raises:
            StoreUnavailable: it could not be asked for.
        """
        ...

    async def wait(self, seconds: float | None) -> None:
        """Come back after the first event since the last `ask`, when wake-ups may have been lost, or after so long."""
        ...

    def close(self) -> None:
        """Wake who waits, and want no more; safe to call twice."""
        ...


class Leases(Protocol):
    """Who owns which partition. Time is the database's clock. Kept apart from `EventStore` because leases are
    renewed on a connection of their own: a busy pool must not cost a lease.
    """

    async def open(self) -> None:
        """Connect; raises `StoreUnavailable`."""
        ...

    async def close(self) -> None:
        """Release the connection; safe to call twice and before `open`."""
        ...

    async def beat(self, node: str, ttl: timedelta) -> Membership:
        """Record that the node lives, renew every lease it still holds, and look around.

        A lease that ran out but that nobody took is renewed under the same epoch: fencing is by epoch alone.
        """
        ...

    async def claim(self, node: str, partitions: Sequence[int], ttl: timedelta) -> list[Lease]:
        """Take those of the partitions that are free or run out; each one taken gets the next epoch."""
        ...

    async def release(self, node: str, leases: Sequence[Lease]) -> None:
        """Give leases back at once; one that has another owner or epoch by now is left alone."""
        ...

    async def leave(self, node: str) -> None:
        """Give back everything and drop the node from the membership."""
        ...
