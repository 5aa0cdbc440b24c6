"""Random turns against a store: batches whose commits are mostly right, takeovers, housekeeping."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from eventstore import (
    Commit,
    EventStore,
    Execution,
    InboxMark,
    Leases,
    LoadRequest,
    NewEvent,
    OutboxMessage,
    Quarantined,
    Redelivery,
    Snapshot,
    TimerKey,
)
from tests.conformance.store.kits import NOW, PARTITIONS, TTL

STREAMS = {f"{type}/{n}": n % PARTITIONS for type in ("A", "AB") for n in range(3)}


class Turn(Struct):
    """A commit whose version and epoch are relative to what is right when its batch is sent."""

    commit: Commit
    version_off: int = 0
    epoch_off: int = 0
    snapshot: bool = False


class Takeover(Struct):
    """A partition gets its next epoch."""

    partition: int


class Housekeeping(Struct):
    """Deleting snapshots, counting attempts."""

    stream: str
    upto: int | None
    message: str


Step = list[Turn] | Takeover | Housekeeping

_mostly_right = st.sampled_from([0] * 9 + [-1, 1])
_ids = st.sampled_from(["a", "b", "c", "\x1f", "ä"])
_text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5)
_maybe = st.none() | _text
_times = st.integers(0, 5).map(lambda n: NOW + timedelta(minutes=n, microseconds=n))
_bytes = st.binary(max_size=6)


def _lists(strategy: st.SearchStrategy[Any], size: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=size)


_events = st.builds(
    NewEvent,
    type=st.sampled_from(["Opened", "Ä\x1f"]),
    data=_bytes,
    recorded_at=_times,
    schema=st.integers(1, 3),
    causation_id=_maybe,
    correlation_id=_maybe,
    trace=_maybe,
)
_marks = st.builds(
    InboxMark, command_id=st.uuids().map(str) | _ids, digest=st.integers(-(2**63), 2**63 - 1), reply=_bytes
)
_messages = st.builds(
    OutboxMessage,
    id=_ids,
    destination=st.just("tasks"),
    routing_key=_text,
    body=_bytes,
    correlation_id=_maybe,
    due_at=st.none() | _times,
)
_redeliveries = st.builds(Redelivery, id=_ids, due_at=_times, body=st.none() | _bytes)
_timers = st.builds(TimerKey, due_at=_times, stream=st.sampled_from(["A/1", "B/1"]), number=st.integers(1, 2))
_executions = st.builds(
    Execution,
    status=st.sampled_from(["running", "stuck", "completed"]),
    started_at=_times,
    updated_at=_times,
    busy=st.booleans(),
    closed_at=st.none() | _times,
    error=_maybe,
    correlation_id=_maybe,
)
_quarantined = st.builds(
    Quarantined, id=_ids, source=_text, body=_bytes, reason=_text, attempts=st.integers(0, 9), at=_times
)
_around = {
    "outbox": _lists(_messages),
    "outbox_redeliver": _lists(_redeliveries),
    "outbox_remove": _lists(_ids),
    "timers_set": _lists(_timers),
    "timers_clear": _lists(_timers),
    "quarantine": _lists(_quarantined, 1),
}


def _commit(stream: str) -> st.SearchStrategy[Commit]:
    return st.builds(
        Commit,
        partition=st.just(STREAMS[stream]),
        epoch=st.just(0),
        stream=st.just(stream),
        events=_lists(_events, 3),
        inbox=_lists(_marks),
        execution=st.none() | _executions,
        **_around,
    )


def _forgetting(stream: str) -> st.SearchStrategy[Commit]:
    return st.builds(
        Commit,
        partition=st.just(STREAMS[stream]),
        epoch=st.just(0),
        stream=st.just(stream),
        events=_lists(_events),
        inbox=_lists(_marks),
        forget=st.just(True),
        **_around,
    )


_turns = st.builds(
    Turn,
    commit=st.sampled_from(sorted(STREAMS)).flatmap(_commit)
    | st.sampled_from(sorted(STREAMS)).flatmap(_forgetting)
    | st.builds(Commit, partition=st.integers(0, PARTITIONS - 1), epoch=st.just(0), **_around),
    version_off=_mostly_right,
    epoch_off=_mostly_right,
    snapshot=st.booleans(),
)
steps: st.SearchStrategy[list[Step]] = st.lists(
    st.lists(_turns, min_size=1, max_size=5)
    | st.builds(Takeover, st.integers(0, PARTITIONS - 1))
    | st.builds(Housekeeping, st.sampled_from(sorted(STREAMS)), st.none() | st.integers(0, 5), _ids),
    max_size=8,
)


async def play(step: Step, store: EventStore, leases: Leases) -> list[str]:
    """Do one step; gives what the store answered, as text."""
    match step:
        case Takeover(partition):
            before = (await leases.beat("n1", TTL)).leases[partition]
            await leases.release("n1", [before])
            [after] = await leases.claim("n1", [partition], TTL)
            return [f"epoch {before.epoch} to {after.epoch}"]
        case Housekeeping(stream, upto, message):
            await store.delete_snapshots(stream, upto=upto)
            return [str(await store.count_attempt(0, message))]
        case turns:
            batch = await _batch(turns, store, leases)
            return [f"{type(answer).__name__}: {answer}" for answer in await store.commit(batch)]


async def _batch(turns: list[Turn], store: EventStore, leases: Leases) -> list[Commit]:
    epochs = [lease.epoch for lease in (await leases.beat("n1", TTL)).leases]
    versions = {stream: await store.stream_version(stream) for stream in STREAMS}
    batch = []
    for turn in turns:
        commit = replace(turn.commit, epoch=max(epochs[turn.commit.partition] + turn.epoch_off, 0))
        if commit.stream:
            commit.expected_version = max(versions[commit.stream] + turn.version_off, 0)
            versions[commit.stream] = head = len(commit.events) + (0 if commit.forget else commit.expected_version)
            if turn.snapshot and head and not commit.forget:
                commit.snapshot = Snapshot(head, b"%d" % head, code="")
        batch.append(commit)
    return batch


async def everything(store: EventStore) -> dict[str, Any]:
    """All that a store's readers can see, but for the clock's own times."""
    until = NOW + timedelta(days=1)
    partitions = range(PARTITIONS)
    return {
        "events": [await store.read_partition(p) for p in partitions],
        "offsets": [await store.partition_offset(p) for p in partitions],
        "streams": [await store.read_stream(stream) for stream in STREAMS],
        "loads": await store.load([LoadRequest(stream, ["a", "b", "c", "\x1f", "ä"]) for stream in STREAMS]),
        "outbox": [await store.outbox(p, until=until, limit=99) for p in partitions],
        "due": [await store.outbox(p, until=NOW + timedelta(minutes=2), limit=2) for p in partitions],
        "timers": [await store.timers(p, until=until, limit=99) for p in partitions],
        "unfinished": [await store.unfinished(p) for p in partitions],
        "executions": await store.executions(),
        "some": await store.executions(type="A", status="running", limit=2),
        "counts": await store.count_executions(),
        "quarantined": await store.quarantined(),
        "older": [await store.snapshot(stream, upto=3) for stream in STREAMS],
    }
