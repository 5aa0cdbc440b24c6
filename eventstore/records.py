"""What the log keeps, as plain values.

The store knows nothing of actors: a stream is a name, an event is a type name and payload bytes. Times are
aware UTC datetimes. Records are `gc=False` structs: a node holds many of them for a short time and none can
be part of a reference cycle.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class NewEvent(Struct, gc=False):
    """A fact to append. Its place (version, offset) is given by the commit that carries it."""

    type: str
    data: bytes  # UTF-8 JSON
    recorded_at: datetime
    schema: int = 1
    causation_id: str | None = None
    correlation_id: str | None = None
    trace: str | None = None


class RecordedEvent(Struct, gc=False):
    """A fact in the log. `stream` and `version` together are its stable identity."""

    partition: int
    offset: int  # gapless within the partition, from 1
    stream: str
    version: int  # gapless within the stream, from 1
    epoch: int  # the lease epoch under which it was written
    type: str
    data: bytes
    recorded_at: datetime
    schema: int = 1
    causation_id: str | None = None
    correlation_id: str | None = None
    trace: str | None = None


class InboxMark(Struct, gc=False):
    """A handled command and its reply. `(stream, command_id)` is unique for ever: the idempotency key."""

    command_id: str
    digest: int  # 64-bit signed fingerprint of the command's name and input; tells "same id, other input"
    reply: bytes


class OutboxMessage(Struct, gc=False):
    """A message that must still reach the broker. It stays until a later commit removes it by its id."""

    id: str  # unique within the partition, deterministic
    destination: str
    routing_key: str
    body: bytes
    correlation_id: str | None = None
    due_at: datetime | None = None  # when to publish it again; None: not known to have been published


class Redelivery(Struct, gc=False):
    """A change of an outbox message that is kept: when it is due again and, for a new attempt, its new body."""

    id: str
    due_at: datetime
    body: bytes | None = None  # None: unchanged


class TimerKey(Struct, frozen=True, gc=False, order=True):
    """A durable timer, named by its due time, its stream and its number within the stream."""

    due_at: datetime
    stream: str
    number: int


class Snapshot(Struct, gc=False):
    """Folded state at a version: only ever an optimisation."""

    version: int
    data: bytes
    schema: int = 1
    code: str = ""  # identifies the code that folded it; another code's snapshot is ignored by the reader


Attributes = dict[str, str | int | float | bool]


class Execution(Struct, gc=False):
    """The row of one actor in the listing.

    `attributes` are what it can be found by. In a commit None leaves those that the row has.
    """

    status: str
    started_at: datetime
    updated_at: datetime
    busy: bool = False  # it has work that only its owner's memory knows: a new owner activates it at once
    closed_at: datetime | None = None
    error: str | None = None
    correlation_id: str | None = None
    attributes: Attributes | None = None


class Operator(StrEnum):
    """How an attribute is compared. Values of different sorts (text, numbers, bools) are never equal, less or greater."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="


class Condition(Struct, frozen=True):
    """What an attribute has to be. One that is not there meets no condition."""

    name: str
    operator: Operator
    value: str | int | float | bool


class ListedExecution(Struct, gc=False):
    """One line of a listing."""

    stream: str
    partition: int
    execution: Execution


class Quarantined(Struct, gc=False):
    """A message that can't be handled, kept with its reason so that a person can look and send it again."""

    id: str
    source: str  # the queue it came from
    body: bytes
    reason: str
    attempts: int
    at: datetime


class Commit(Struct, gc=False):
    """Everything that one turn of one actor wants to become true together.

    `stream=""` with no events is a partition's own housekeeping. Events get the versions
    `expected_version + 1 …` and the next offsets of the partition.
    """

    partition: int
    epoch: int
    stream: str = ""
    expected_version: int = 0
    events: list[NewEvent] = []
    inbox: list[InboxMark] = []
    outbox: list[OutboxMessage] = []
    outbox_redeliver: list[Redelivery] = []
    outbox_remove: list[str] = []
    timers_set: list[TimerKey] = []
    timers_clear: list[TimerKey] = []
    snapshot: Snapshot | None = None
    execution: Execution | None = None
    quarantine: list[Quarantined] = []
    # The whole stream goes: its events, snapshots and row. What this commit has of events is what it leaves behind: they
    # are the stream's from version 1 on, so that nobody who knows of nothing can begin it unseen.
    forget: bool = False


class LoadRequest(Struct, gc=False):
    """What an activation needs: its stream, and whether these commands were handled before."""

    stream: str
    command_ids: list[str] = []
    after: int | None = None  # events after this version; None: after the snapshot, or all of them


class LoadedStream(Struct, gc=False):
    """A stream's newest good snapshot, the events after it, and the known ones of the asked command ids."""

    stream: str
    events: list[RecordedEvent]
    snapshot: Snapshot | None = None
    inbox: dict[str, InboxMark] = {}
    damaged: list[int] = []  # the versions of newer snapshots whose checksum does not fit


class Selection(Struct, frozen=True, gc=False):
    """Which events a reader wants: each part that is given must fit. Nothing given: all of them."""

    types: tuple[str, ...] = ()  # of actors: the part of the stream's name before the slash
    events: tuple[str, ...] = ()  # the events' own types
    streams: tuple[str, ...] = ()  # whole names, `type/id`

    def takes(self, event: RecordedEvent) -> bool:
        """Whether it wants an event."""
        return (
            (not self.types or event.stream.partition("/")[0] in self.types)
            and (not self.events or event.type in self.events)
            and (not self.streams or event.stream in self.streams)
        )


class Direction(StrEnum):
    """The order in which a stream is read."""

    FORWARDS = "forwards"
    BACKWARDS = "backwards"


class Lease(Struct, frozen=True, gc=False):
    """A node's time-bounded ownership of a partition. The epoch is the fencing token."""

    partition: int
    epoch: int
    owner: str | None  # None: free
    expires_at: datetime | None


class Membership(Struct, gc=False):
    """What one heartbeat saw: the database's clock, the live nodes and every partition's lease."""

    now: datetime
    nodes: list[str]  # sorted
    leases: list[Lease]  # one for each partition, by number
