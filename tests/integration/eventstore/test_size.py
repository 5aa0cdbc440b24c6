"""A sleeping workflow is cheap to keep."""

from __future__ import annotations

from datetime import timedelta

from eventstore import Commit, TimerKey
from tests.conformance.store.building import commit, event, execution, write
from tests.conformance.store.kits import NOW, PostgresKit

_SIZE = """
SELECT sum(pg_total_relation_size(c.oid))::bigint AS bytes FROM pg_class c
WHERE c.relnamespace = 'perdure'::regnamespace AND c.relname IN ('events', 'timers', 'executions')
"""
_COUNT = 4000


def sleeping(number: int) -> Commit:
    stream = f"ProcessOrder/{number:08d}"
    data = b'{"user":{"email":"someone@example.org"},"order":{"id":10248,"lines":[[11,12,14.0],[42,10,9.8]]}}'
    return commit(
        stream,
        partition=number % 4,
        events=[
            event("RunStarted", data=data, causation_id=f"start-{number}", correlation_id=stream),
            event("TimerSet", data=b'{"timer":1,"seconds":2592000}', correlation_id=stream),
        ],
        timers_set=[TimerKey(NOW + timedelta(seconds=number % 977), stream, 1)],
        execution=execution(minutes=number / 100, correlation_id=stream),
    )


async def test_below_one_and_a_half_kilobytes(kit: PostgresKit) -> None:
    """Two events, a timer and a row of the listing, indexes included."""
    store = await kit.store()
    for start in range(0, _COUNT, 400):
        await write(store, *(sleeping(number) for number in range(start, start + 400)))
    [row] = await kit.execute(_SIZE)
    assert row["bytes"] / _COUNT < 1500
