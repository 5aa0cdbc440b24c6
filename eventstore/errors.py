"""Errors of the event store.

StoreError
├── CommitRefused              one commit of a batch was left out; the others went in
│   ├── StaleEpoch             the writer no longer owns the partition
│   ├── WrongExpectedVersion   somebody else appended to the stream first
│   └── DuplicateCommand       the command id already has its reply in the inbox
├── StoreUnavailable           no answer: what was asked may or may not have happened
├── UnserialisableInput        refused before anything was written
├── UnknownPartition           the store has no partition of that number
├── PositionBeyondHead         a reader claims to have seen more than was written
└── SchemaMismatch             the database is missing, not migrated, or newer than this code
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of every error that the event store raises."""


class CommitRefused(StoreError):
    """One commit of a batch was left out, for a reason that is certain."""


class StaleEpoch(CommitRefused):
    """The writer's lease epoch is not the partition's current one: it has a new owner."""

    def __init__(self, partition: int, expected: int, actual: int) -> None:
        super().__init__(
            f"partition {partition}: the commit carries epoch {expected}, the partition is at epoch {actual}; "
            "drop the partition and let its new owner handle the messages"
        )
        self.partition, self.expected, self.actual = partition, expected, actual


class WrongExpectedVersion(CommitRefused):
    """The stream is not at the version that the commit builds on."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            f"stream {stream}: expected version {expected}, it is at {actual}; reload the stream and decide again"
        )
        self.stream, self.expected, self.actual = stream, expected, actual


class DuplicateCommand(CommitRefused):
    """The command id was handled before; its first reply stands."""

    def __init__(self, stream: str, command_id: str) -> None:
        super().__init__(f"stream {stream}: command {command_id!r} was already handled; answer with its stored reply")
        self.stream, self.command_id = stream, command_id


class StoreUnavailable(StoreError):
    """The store did not answer. The operation is *unknown*, never *no*: reload before deciding again."""


class UnserialisableInput(StoreError):
    """A record holds something that the log can't keep; nothing of its batch was written."""


class UnknownPartition(StoreError):
    """A reader asks for a partition that the store does not have."""

    def __init__(self, partition: int, partitions: int) -> None:
        super().__init__(f"there is no partition {partition}: this store has 0 to {partitions - 1}")
        self.partition = partition


class PositionBeyondHead(StoreError):
    """A reader's position is ahead of the log: it comes from another store, or this one lost what it had confirmed."""

    def __init__(self, partition: int, position: int, head: int) -> None:
        super().__init__(
            f"partition {partition}: the position {position} is beyond the head {head}; it was taken from another store, "
            "or this one was restored from an older copy. Read on from a position of this store, or from the beginning"
        )
        self.partition, self.position, self.head = partition, position, head


class SchemaMismatch(StoreError):
    """The database's schema does not fit this code; the message says which way and what to run."""
