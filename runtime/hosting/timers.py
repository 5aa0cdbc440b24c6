"""The durable timers of one partition: rows in the database, and in memory those of the next minute."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial

from eventstore import EventStore, TimerKey
from runtime.clock import Clock
from runtime.hosting.schedule import Schedule

WINDOW = timedelta(seconds=60)  # how far ahead timers are held in memory
PAGE = 10_000


class Timers:
    """Hands each timer to `due` when its time has come, by the database's clock.

    A timer is fired by the row, not by this memory: the commit that records the firing clears the row. So one whose
    commit failed fires again, and one that fires twice finds that nobody waits for it.
    """

    def __init__(self, partition: int, clock: Clock, schedule: Schedule, due: Callable[[TimerKey], None]) -> None:
        self._partition, self._clock, self._schedule, self._due = partition, clock, schedule, due
        self._known: set[TimerKey] = set()

    def set(self, timers: Iterable[TimerKey]) -> None:
        """Take timers whose rows are durable; those that are far off are left to a later look into the database."""
        horizon = self._clock.now() + WINDOW
        for timer in timers:
            if timer.due_at <= horizon and timer not in self._known:
                self._known.add(timer)
                self._schedule.add(timer.due_at, partial(self._come_due, timer))

    def cleared(self, timers: Iterable[TimerKey]) -> None:
        """Forget timers whose rows are gone."""
        self._known.difference_update(timers)

    async def look(self, store: EventStore) -> bool:
        """Take up the timers that come due soon, soonest first. Raises `StoreError`.

        Gives False when there may be more than one look shows; those that were seen fire and go before the next.
        """
        # Rows of a type that nobody here knows stay, and come first: they must not fill the page for ever.
        limit = PAGE + len(self._known)
        page = await store.timers(self._partition, until=self._clock.now() + WINDOW, limit=limit)
        self.set(page)
        return len(page) < limit

    def _come_due(self, timer: TimerKey) -> None:
        if timer in self._known:
            self._due(timer)
