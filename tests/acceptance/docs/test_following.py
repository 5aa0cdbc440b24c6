"""The pages on following the log do what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import asyncpg
import pytest

from eventstore import PostgresLeases, PostgresStore, migrate_store
from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.pages import ROOT, python_file, shell_block
from tests.conformance.store.building import commit, write
from tests.waiting import wait_until

_THERE = "SELECT to_regclass('stocked') IS NOT NULL"

pytestmark = pytest.mark.timeout(120)


READERS = ROOT / "runtime/readers/README.md"
RUNNING = ROOT / "runtime/README.md"
LOG = ROOT / "eventstore/README.md"


async def test_a_projection(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """The page's projection keeps its table in step, is listed, and is made anew."""
    database = shell.environment["PERDURE_DATABASE_URL"] = await fresh_database()
    (shell.folder / "stocked.py").write_text(python_file(READERS, "stocked.py"))
    run, listed, rebuild = [line.partition("  # ") for line in shell_block(READERS, "perdure projection")]
    shell.run("perdure migrate --app shop:app")
    shell.start("perdure node shop:app")
    shell.run("perdure send Stock/tea add --input '{\"units\": 10}' --timeout 40")
    shell.start(run[0])
    connection = await asyncpg.connect(database)

    async def stocked(*expected: object) -> bool:
        found = await connection.fetch("SELECT * FROM stocked") if await connection.fetchval(_THERE) else []
        return [tuple(row.values()) for row in found] == [expected]

    await wait_until(lambda: stocked("tea", 10, 1), seconds=30)
    shell.run("perdure send Stock/tea take --input '{\"units\": 3}'")
    await wait_until(lambda: stocked("tea", 7, 2), seconds=30)
    assert listed[2] in shell.run(listed[0])
    (follow,) = shell_block(LOG, "perdure follow")
    command, _, expected = follow.partition("  # ")
    followed = shell.start(command)
    await wait_until(lambda: "Taken" in followed.read_text(), seconds=30)
    assert expected.strip() in followed.read_text()
    for line in shell_block(RUNNING, "perdure doctor"):
        command, _, expected = line.partition("  # ")
        assert expected.strip() in shell.run(command), line
    await connection.execute("UPDATE stocked SET units = -1")
    assert rebuild[2] in shell.run(rebuild[0])
    await wait_until(lambda: stocked("tea", 7, 2), seconds=30)
    await connection.close()
    assert shell.stop() == [0, 0, 0]


async def test_a_subscription(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """The event store's example prints what is there of one type, and then what comes."""
    database = await fresh_database()
    await migrate_store(database, 4)
    store, leases = PostgresStore(database), PostgresLeases(database)
    await asyncio.gather(store.open(), leases.open())
    await leases.claim("n1", range(4), timedelta(seconds=60))
    await write(store, commit("Stock/tea", partition=2), commit("Order/1", partition=2))
    shell.environment["PERDURE_DATABASE_URL"] = database
    (shell.folder / "follow.py").write_text(python_file(LOG, "follow.py"))
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
