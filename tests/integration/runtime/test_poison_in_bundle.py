"""A command that ends its node, in the middle of a bundle: it alone is put aside."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec import Raw

from runtime import Settings, connect, migrate
from runtime.messages import Send, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from runtime.transport.rabbitmq import RabbitMQTransport
from tests.integration.runtime.deadly_app import APP, Counter

_ROOT = Path(__file__).resolve().parents[3]
AMOUNTS = [1, 2, 3, 4, 13, 5, 6, 7, 8]


async def _keep_a_node_up(settings: Settings) -> None:
    """Start a node again and again, as a supervisor does."""
    while True:
        node = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.runtime.deadly_app", settings.database_url, settings.broker_url or "",
            cwd=_ROOT, env=os.environ | {"PYTHONPATH": str(_ROOT)},
        )  # fmt: skip
        try:
            assert await node.wait() == 13
        finally:
            if node.returncode is None:
                node.kill()
                await node.wait()


@pytest.mark.timeout(240)
async def test_one_poisonous_part_does_not_take_the_others_down(
    fresh_database: Callable[[], Awaitable[str]], fresh_vhost: Callable[[], Awaitable[str]]
) -> None:
    """The node dies of it some times; then it is in quarantine, and each of the others has counted once."""
    settings = Settings(database_url=await fresh_database(), broker_url=await fresh_vhost(), partitions=1)
    assert settings.broker_url is not None
    await migrate(settings, APP)
    transport = RabbitMQTransport(settings.broker_url)
    await transport.open()
    ids = [f"c{n}" for n in range(len(AMOUNTS))]
    bodies = [
        encode_message(
            Send(type="Counter", id=f"{n % 2}", name="add", command_id=id, input=Raw(b'{"amount":%d}' % amount))
        )
        for n, (id, amount) in enumerate(zip(ids, AMOUNTS, strict=True))
    ]
    assert {partition_of(f"Counter/{n}", 1) for n in (0, 1)} == {0}
    await transport.publish([Message(Destination.COMMANDS, "0", body) for body in bodies])
    await transport.close()
    supervisor = asyncio.create_task(_keep_a_node_up(settings))
    try:
        async with connect(settings) as client:
            # The last of the bundle, said again: it is answered when all before it are settled.
            await client.call(Counter, "0", "add", AMOUNTS[-1], command_id=ids[-1], timeout=200)
            totals = [await client.query(Counter, id, "total", timeout=30) for id in ("0", "1")]
            assert client._store is not None
            quarantined = await client._store.quarantined(limit=10)
    finally:
        supervisor.cancel()
        await asyncio.wait([supervisor])
    assert totals == [sum(AMOUNTS[0::2]) - 13, sum(AMOUNTS[1::2])]
    assert [row.body for row in quarantined] == [bodies[4]]
