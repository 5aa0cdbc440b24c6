"""A private Postgres: its life cycle, and what a crash of it or of its owner leaves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from runtime.servers import EmbeddedPostgres, PrivatePostgres, ServerError, ServerInUse, ServerStartFailed, running_url
from runtime.servers.ports import is_free
from runtime.servers.process import is_alive
from tests.killed_owner import run_until_it_prints_and_kill
from tests.waiting import wait_until


@pytest.fixture(params=[PrivatePostgres, EmbeddedPostgres])
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[PrivatePostgres]:
    server: PrivatePostgres = request.param(fsync=False)
    async with server:
        yield server


async def execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_committed_data_survives_kill_and_restart(postgres: PrivatePostgres) -> None:
    """The same address, the same data, after SIGKILL and after an orderly restart."""
    url = await postgres.create_database("shop")
    await execute(url, "CREATE TABLE orders AS SELECT 10248 AS id")
    await postgres.kill()
    assert not postgres.is_running
    await postgres.start()
    assert await execute(url, "SELECT id FROM orders") == 10248
    await postgres.restart()
    assert await execute(url, "SELECT id FROM orders") == 10248


async def test_a_server_that_was_killed_behind_our_back_starts_again(postgres: PrivatePostgres) -> None:
    """Its backends may still be ending, and it may have been stopped before."""
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGSTOP)
    os.kill(postgres.pid, signal.SIGKILL)
    await wait_until(lambda: not postgres.is_running)
    await postgres.start()
    assert await execute(postgres.url, "SELECT 1") == 1


async def test_a_stopped_server_stops_in_order() -> None:
    """A server that hangs in SIGSTOP is woken up to be told."""
    async with PrivatePostgres(fsync=False) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        await server.stop()
        assert "database system is shut down" in server.log.read_text()


async def test_a_cancelled_start_leaves_nothing_that_runs() -> None:
    """Neither server nor lock; the next start works."""
    server = PrivatePostgres(fsync=False)
    starting = asyncio.create_task(server.start())
    await wait_until(lambda: server.pid)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert server.pid is None
    await server.start()
    await server.close()


async def test_strangers_are_refused(postgres: PrivatePostgres) -> None:
    """Loopback is not a password."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres")


async def test_life_cycle_calls_may_come_in_any_order() -> None:
    """Stop before start, twice of everything; a temporary folder is gone at the end."""
    server = PrivatePostgres(fsync=False)
    await server.stop()
    await server.start()
    await server.start()
    assert running_url(server.folder) == server.url
    await server.stop()
    await server.stop()
    assert running_url(server.folder) is None
    assert is_free(server.port)
    await server.close()
    await server.close()
    assert not server.folder.exists()


async def test_a_running_folder_is_refused(server_folder: Path) -> None:
    """One owner a folder; after it the next one finds the data and the port."""
    async with PrivatePostgres(server_folder, fsync=False) as first:
        await first.create_database("shop")
        with pytest.raises(ServerInUse, match="another process runs"):
            await PrivatePostgres(server_folder, fsync=False).start()
        url = first.url
    async with PrivatePostgres(server_folder, fsync=False) as second:
        assert second.url == url
        with pytest.raises(ServerError, match="shop exists already"):
            await second.create_database("shop")


async def test_a_killed_owner_leaves_a_folder_that_starts(server_folder: Path) -> None:
    """No orphan, no lock, no stale pid file in the way."""
    code = (
        "import asyncio; from pathlib import Path; from runtime.servers import PrivatePostgres\n"
        "async def main():\n"
        f"    server = PrivatePostgres(Path({str(server_folder)!r}), fsync=False)\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    pids = run_until_it_prints_and_kill(code)
    async with PrivatePostgres(server_folder, fsync=False) as server:
        assert await execute(server.url, "SELECT 1") == 1
        await wait_until(lambda: not any(is_alive(pid) for pid in pids))


async def test_a_failed_start_shows_the_log_and_leaves_nothing() -> None:
    """The error ends with what Postgres itself said."""
    server = PrivatePostgres(fsync=False, settings={"shared_buffers": "lots"})
    with pytest.raises(ServerStartFailed, match='invalid value for parameter "shared_buffers"'):
        await server.start()
    assert server.pid is None
    await server.close()
