"""What the log can't keep is refused before anything is written."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from eventstore import Commit, EventStore, Redelivery, TimerKey, UnserialisableInput
from tests.conformance.store.building import commit, event, execution, mark, message, quarantined, snapshot
from tests.conformance.store.kits import NOW

NAIVE = datetime(2026, 3, 1, 12)  # noqa: DTZ001 - naive on purpose
ANY: Any = None
NOT_BYTES: Any = "text"
NOT_TEXT: Any = b"bytes"
NOT_INT: Any = "7"

BAD: dict[str, Commit] = {
    "NUL in an event type": commit(events=[event("a\x00b")]),
    "no event type": commit(events=[event("")]),
    "NUL in a correlation id": commit(events=[event(correlation_id="a\x00")]),
    "lone surrogate": commit(events=[event(trace="\ud800")]),
    "data that is text": commit(events=[event(data=NOT_BYTES)]),
    "data that is missing": commit(events=[event(data=ANY)]),
    "type that is bytes": commit(events=[event(NOT_TEXT)]),
    "naive time": commit(events=[event(recorded_at=NAIVE)]),
    "time that is missing": commit(events=[event(recorded_at=ANY)]),
    "schema that is text": commit(events=[event(schema=NOT_INT)]),
    "schema too large": commit(events=[event(schema=2**40)]),
    "NUL in a stream": commit("A/\x00"),
    "stream too long": commit("A/" + "x" * 2000),
    "events without a stream": commit(""),
    "inbox without a stream": commit("", count=0, inbox=[mark()]),
    "execution without a stream": commit("", count=0, execution=execution()),
    "negative version": commit(expected=-1),
    "version that is text": commit(expected=0, count=0, stream="A/1", partition=NOT_INT),
    "unknown partition": commit(partition=4),
    "negative partition": commit(partition=-1),
    "epoch too large": commit(epoch=2**31),
    "no command id": commit(inbox=[mark("")]),
    "NUL in a command id": commit(inbox=[mark("\x00")]),
    "digest too wide": commit(inbox=[mark(digest=2**63)]),
    "reply that is text": commit(inbox=[mark(reply=NOT_BYTES)]),
    "body that is text": commit(outbox=[message(body=NOT_BYTES)]),
    "routing key that is missing": commit(outbox=[message(routing_key=ANY)]),
    "naive due time": commit(outbox=[message(due_at=NAIVE)]),
    "outbox id that is missing": commit(outbox=[message(ANY)]),
    "redelivery without a time": commit(outbox_redeliver=[Redelivery("a", ANY)]),
    "redelivery with text": commit(outbox_redeliver=[Redelivery("a", NOW, NOT_BYTES)]),
    "removal of nothing": commit(outbox_remove=[""]),
    "naive timer": commit(timers_set=[TimerKey(NAIVE, "A/1", 1)]),
    "negative timer number": commit(timers_clear=[TimerKey(NOW, "A/1", -1)]),
    "snapshot beyond the head": commit(snapshot=snapshot(2)),
    "snapshot of nothing": commit(snapshot=snapshot(0)),
    "snapshot that is text": commit(snapshot=snapshot(1, data=NOT_BYTES)),
    "NUL in an error": commit(execution=execution(error="a\x00")),
    "busy that is a number": commit(execution=execution(busy=ANY)),
    "naive start": commit(execution=execution(closed_at=NAIVE)),
    "NUL in a reason": commit(quarantine=[quarantined(reason="\x00")]),
    "quarantined text": commit(quarantine=[quarantined(body=NOT_BYTES)]),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_nothing_of_the_batch_is_written(store: EventStore, bad: Commit) -> None:
    """The error names the input, and the batch's good commits did not go in either."""
    with pytest.raises(UnserialisableInput):
        await store.commit([commit("Good/1"), bad, commit("Good/2", partition=1)])
    assert [await store.partition_offset(p) for p in range(4)] == [0, 0, 0, 0]


async def test_one_stream_in_two_partitions(store: EventStore) -> None:
    """A stream belongs to one partition."""
    with pytest.raises(UnserialisableInput, match="partitions 0 and 1"):
        await store.commit([commit(), commit(expected=1, partition=1)])


async def test_the_store_goes_on(store: EventStore) -> None:
    """After a refused input the next batch is written."""
    with pytest.raises(UnserialisableInput):
        await store.commit([BAD["NUL in a stream"]])
    assert await store.commit([commit()]) == [None]


async def test_the_longest_keys_fit(store: EventStore) -> None:
    """What validation lets through the database takes."""
    stream, command_id = "Ä/" + "ä" * 498, "x" * 1000
    assert await store.commit([commit(stream, inbox=[mark(command_id)], execution=execution("s" * 1000))]) == [None]
    assert list(await store.replies([(stream, command_id)])) == [(stream, command_id)]
