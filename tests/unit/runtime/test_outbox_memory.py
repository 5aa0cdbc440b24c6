"""What the relay of an outbox holds in memory: little, and nothing that hides what it does not hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import Raw

from actors.journal import Caller, ChildStarted
from actors.turn import Outcome
from eventstore import Commit, MemoryStore, OutboxMessage, Redelivery
from runtime.clock import Clock
from runtime.hosting import outbox as module
from runtime.hosting.children import outcome_message, start_message
from runtime.hosting.outbox import Outbox
from runtime.hosting.schedule import Schedule
from runtime.hosting.timers import WINDOW
from runtime.publisher import Publisher
from runtime.transport.memory import MemoryBroker, MemoryTransport
from runtime.transport.port import TransportUnavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Counting(Publisher):
    """Counts instead of publishing; nothing is confirmed but by the test."""

    def __init__(self) -> None:
        super().__init__(MemoryTransport(MemoryBroker()))
        self.handed_in: list[bytes] = []
        self.settle: list[Callable[[Any], None]] = []

    def add(self, message: Any, settled: Callable[[Any], None]) -> None:
        self.handed_in.append(message.body)
        self.settle.append(settled)


class Relay:
    """An outbox with its surroundings."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.set(NOW)
        self.schedule = Schedule(self.clock)
        self.publisher = Counting()
        self.store = MemoryStore(1)
        self.outbox = Outbox(0, self.clock, self.publisher, lambda *_: timedelta(seconds=60), self.schedule)

    async def keep(self, *messages: OutboxMessage) -> None:
        """Make rows."""
        commit = Commit(
            0, 0, outbox=list(messages), outbox_redeliver=[Redelivery(m.id, m.due_at) for m in messages if m.due_at]
        )
        assert await self.store.commit([commit]) == [None]


def row(number: int, due_at: datetime | None = None) -> OutboxMessage:
    """A message's row."""
    return OutboxMessage(f"Order/1#{number:03}", "tasks", "default", b"%d" % number, due_at=due_at)


async def test_rows_that_memory_knows_hide_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look shows two rows; ten others are on their way or planned, and stand before the one that memory has not seen."""
    monkeypatch.setattr(module, "PAGE", 2)
    relay = Relay()
    known = [row(number) for number in range(10)]
    await relay.keep(*known, row(500))
    for message in known:
        relay.outbox.publish(message)
    relay.publisher.handed_in.clear()

    await relay.outbox.sweep(relay.store, WINDOW)

    assert relay.publisher.handed_in == [b"500"]


async def test_a_look_that_shows_all_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that may not have, too."""
    monkeypatch.setattr(module, "PAGE", 2)
    relay = Relay()
    await relay.keep(row(1), row(2), row(3))
    assert not await relay.outbox.sweep(relay.store, WINDOW)
    assert await relay.outbox.sweep(relay.store, WINDOW)
    assert relay.publisher.handed_in == [b"1", b"2", b"3"]


async def test_a_retry_that_is_far_off_costs_no_memory() -> None:
    """Its row has it; a sweep takes it up when it comes near, and it goes out in time."""
    relay = Relay()
    due = NOW + timedelta(hours=5)
    await relay.keep(row(1, due))
    relay.outbox.plan(row(1, due))
    assert len(relay.schedule) == 0
    await relay.outbox.sweep(relay.store, WINDOW)
    assert len(relay.schedule) == 0

    relay.clock.set(due - WINDOW / 2)
    await relay.outbox.sweep(relay.store, WINDOW)
    assert len(relay.schedule) == 1
    assert relay.publisher.handed_in == []
    relay.clock.set(due)
    await relay.schedule.run_due(0.0, 10)
    assert relay.publisher.handed_in == [b"1"]


async def test_the_last_plan_holds_also_when_it_is_far_off() -> None:
    """What was planned for soon does not go out any more."""
    relay = Relay()
    relay.outbox.plan(row(1, NOW + timedelta(seconds=1)))
    relay.outbox.plan(row(1, NOW + timedelta(hours=1)))
    relay.clock.set(NOW + timedelta(seconds=2))
    await relay.schedule.run_due(0.0, 10)
    assert relay.publisher.handed_in == []


async def test_a_child_s_outcome_goes_when_it_is_confirmed_and_its_start_stays() -> None:
    """One has done its duty; for the other an answer is owed, so it gets a mark. Before the confirm both just wait."""
    relay, caller = Relay(), Caller("Order/1", 1)
    start = start_message("Order/1", ChildStarted(1, "Ship", "1", Raw(b"{}")), 1, None, NOW)
    told = outcome_message("Ship/1", caller, Outcome(result=Raw(b"1")), 1, None)
    for message in (start, told):
        relay.outbox.publish(message)
    assert (relay.outbox.marks(0.0), relay.outbox.done(0.0)) == ([], [])
    for settled in relay.publisher.settle:
        settled(None)
    assert [mark.id for mark in relay.outbox.marks(0.0)] == ["Order/1#1"]
    assert relay.outbox.done(0.0) == [told.id]
    relay.outbox.closed([told.id])
    assert relay.outbox.done(0.0) == []


async def test_a_child_s_outcome_whose_confirm_is_missing_is_said_again() -> None:
    """Its row is there until the broker has it for sure."""
    relay = Relay()
    told = outcome_message("Ship/1", Caller("Order/1", 1), Outcome(result=Raw(b"1")), 1, None)
    relay.outbox.publish(told)
    relay.publisher.settle[0](TransportUnavailable("the connection is gone"))
    assert relay.outbox.done(0.0) == []
    relay.clock.set(NOW + timedelta(seconds=2))
    await relay.schedule.run_due(0.0, 10)
    assert relay.publisher.handed_in == [told.body] * 2
