"""A call about leases that gets no answer ends in time, so that it costs no other lease."""

from __future__ import annotations

import pytest

from eventstore import PostgresLeases, StoreUnavailable
from tests.conformance.store.kits import TTL, PostgresKit
from tests.integration.eventstore.blocking import head_held, none_waits


async def test_a_claim_and_a_release_behind_a_locked_head(kit: PostgresKit) -> None:
    """Each is given up, and does not happen later either; what needs no locked head goes on."""
    first, hasty = await kit.leases(), PostgresLeases(kit.dsn, patience=0.5)
    before = (await first.beat("n1", TTL)).leases
    await kit.pass_time(2 * TTL)
    async with head_held(kit):
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await hasty.claim("n2", [0], TTL)
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await hasty.release("n1", [before[0]])
        assert [lease.partition for lease in await hasty.claim("n2", [1], TTL)] == [1]
        await none_waits(kit)
    seen = (await hasty.beat("n2", TTL)).leases
    assert [(lease.epoch, lease.owner) for lease in seen[:2]] == [(1, "n1"), (2, "n2")]
    await hasty.close()
