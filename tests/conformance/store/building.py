"""Short ways to write records in tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from eventstore import (
    Commit,
    EventStore,
    Execution,
    InboxMark,
    NewEvent,
    OutboxMessage,
    Quarantined,
    RecordedEvent,
    Snapshot,
    TimerKey,
)
from tests.conformance.store.kits import NOW


def event(type: str = "Deposited", **changes: Any) -> NewEvent:
    return NewEvent(**{"type": type, "data": b'{"amount":"12.50"}', "recorded_at": NOW, **changes})


def events(count: int, start: int = 1) -> list[NewEvent]:
    return [event(data=b"%d" % n) for n in range(start, start + count)]


def commit(stream: str = "Account/1", expected: int = 0, count: int = 1, **changes: Any) -> Commit:
    """A commit of `count` events to partition 0 under epoch 1; each event's data is its version."""
    given = {"partition": 0, "epoch": 1, "events": events(count, expected + 1), **changes}
    return Commit(stream=stream, expected_version=expected, **given)


def mark(command_id: str = "command-1", digest: int = 77, reply: bytes = b'"done"') -> InboxMark:
    return InboxMark(command_id, digest, reply)


def message(id: str = "message-1", **changes: Any) -> OutboxMessage:
    return OutboxMessage(**{"id": id, "destination": "tasks", "routing_key": "orders", "body": b"{}", **changes})


def timer(minutes: float = 0, stream: str = "Account/1", number: int = 1) -> TimerKey:
    return TimerKey(NOW + timedelta(minutes=minutes), stream, number)


def snapshot(version: int, **changes: Any) -> Snapshot:
    return Snapshot(**{"version": version, "data": b"state at %d" % version, "code": "v1", **changes})


def execution(status: str = "running", minutes: float = 0, **changes: Any) -> Execution:
    started = NOW + timedelta(minutes=minutes)
    return Execution(**{"status": status, "started_at": started, "updated_at": started, **changes})


def quarantined(id: str = "poison-1", minutes: float = 0, **changes: Any) -> Quarantined:
    given = {"source": "commands:0", "body": b"\x00\xff", "reason": "it raises", "attempts": 3, **changes}
    return Quarantined(id=id, at=NOW + timedelta(minutes=minutes), **given)


async def write(store: EventStore, *commits: Commit) -> None:
    """Commit, and expect every one to go in."""
    assert await store.commit(commits) == [None] * len(commits)


def versions(found: list[RecordedEvent]) -> list[int]:
    return [e.version for e in found]
