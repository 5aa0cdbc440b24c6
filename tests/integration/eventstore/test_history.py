"""The database itself refuses to change history, and shows it to people."""

from __future__ import annotations

import json

import asyncpg
import pytest

from tests.conformance.store.building import commit, event, write
from tests.conformance.store.kits import PostgresKit


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE perdure.events SET data = ''",
        "UPDATE perdure.events SET type = 'x' WHERE false",
        "DELETE FROM perdure.events WHERE version = 1",
        "TRUNCATE perdure.events",
        "SET session_replication_role = replica; DELETE FROM perdure.events",
    ],
)
async def test_events_never_change(kit: PostgresKit, statement: str) -> None:
    """Not even for the owner of the table."""
    store = await kit.store()
    await write(store, commit(count=2))
    connection = await asyncpg.connect(kit.dsn)
    try:
        with pytest.raises(asyncpg.RestrictViolationError, match="events are never changed"):
            await connection.execute(statement)
    finally:
        await connection.close()
    assert len(await store.read_stream("Account/1")) == 2


async def test_the_readable_view_never_fails(kit: PostgresKit) -> None:
    """JSON shows as JSON, with NUL and all; anything else as a string."""
    data = [b'{"a":[1,"\xc3\xa4"]}', b'"\\u0000"', b"\xff\x00\\", b"", b"[" * 100_000, b'{"a":']
    await write(await kit.store(), commit(events=[event(data=d) for d in data]))
    rows = await kit.execute("SELECT version, data::text AS data FROM perdure.events_readable ORDER BY version")
    shown = [json.loads(row["data"]) for row in rows]
    assert shown[:4] == [{"a": [1, "ä"]}, "\0", "\\377\\000\\\\", ""]
    assert (len(shown[4]), shown[5]) == (100_000, '{"a":')
