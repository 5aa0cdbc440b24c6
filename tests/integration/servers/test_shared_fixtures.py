"""The fixtures that every other test stands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from runtime.servers.process import is_alive
from tests.killed_owner import run_until_it_prints_and_kill
from tests.shared_servers import shared_server
from tests.waiting import wait_until

Factory = Callable[[], Awaitable[str]]


async def test_each_database_is_new_and_empty(fresh_database: Factory) -> None:
    """Two databases of one test see nothing of each other."""
    assert await _are_separate(await fresh_database(), await fresh_database())


async def test_each_embedded_database_is_new_and_empty(fresh_embedded_database: Factory) -> None:
    """The same on the embedded Postgres."""
    assert await _are_separate(await fresh_embedded_database(), await fresh_embedded_database())


async def _are_separate(first_url: str, second_url: str) -> bool:
    first, second = await asyncpg.connect(first_url), await asyncpg.connect(second_url)
    try:
        await first.execute("CREATE TABLE orders (id int)")
        return await second.fetchval("SELECT to_regclass('orders')") is None
    finally:
        await first.close()
        await second.close()


async def test_each_virtual_host_is_new_and_empty(fresh_vhost: Factory) -> None:
    """A queue of one virtual host does not exist in the other."""
    first, second = await aio_pika.connect(await fresh_vhost()), await aio_pika.connect(await fresh_vhost())
    try:
        await (await first.channel()).declare_queue("orders", durable=True, arguments={"x-queue-type": "quorum"})
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await (await second.channel()).declare_queue("orders", passive=True)
    finally:
        await first.close()
        await second.close()


def test_all_users_of_a_run_share_one_server(postgres_url: str, run_id: str) -> None:
    """A second user joins the server that runs instead of starting another."""
    with shared_server("postgres", run_id) as joined:
        assert joined.url == postgres_url
        assert Path(joined.folder).is_dir()


async def test_a_killed_run_leaves_no_server() -> None:
    """The holder sees the end of its pipe, however that comes."""
    code = (
        "import os, time; from pathlib import Path; from runtime.servers.folder import read_record\n"
        "from tests.shared_servers import shared_server\n"
        "with shared_server('postgres', f'killed{os.getpid()}') as server:\n"
        "    print(read_record(Path(server.folder)).pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    (pid,) = run_until_it_prints_and_kill(code)
    await wait_until(lambda: not is_alive(pid))
