"""The pages on following the log do what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from eventstore import PostgresLeases, PostgresStore, migrate_store
from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.pages import ROOT, python_file
from tests.conformance.store.building import commit, write
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(120)


async def test_a_subscription(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """The event store's example prints what is there of one type, and then what comes."""
    database = await fresh_database()
    await migrate_store(database, 4)
    store, leases = PostgresStore(database), PostgresLeases(database)
    await asyncio.gather(store.open(), leases.open())
    await leases.claim("n1", range(4), timedelta(seconds=60))
    await write(store, commit("Stock/tea", partition=2), commit("Order/1", partition=2))
    shell.environment["PERDURE_DATABASE_URL"] = database
    (shell.folder / "follow.py").write_text(python_file(ROOT / "eventstore/README.md", "follow.py"))
    printed = shell.start("python follow.py")
    await wait_until(lambda: '{"2":2}' in printed.read_text(), seconds=30)
    await write(store, commit("Stock/tea", 1, partition=2))
    await wait_until(lambda: '{"2":3}' in printed.read_text(), seconds=30)
    assert printed.read_text().splitlines() == [
        "Stock/tea 1 Deposited 1",
        '{"2":2}',
        "Stock/tea 2 Deposited 2",
        '{"2":3}',
    ]
    await asyncio.gather(store.close(), leases.close())
