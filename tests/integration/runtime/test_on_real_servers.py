"""The runtime's behaviours on real Postgres, with RabbitMQ and with Postgres itself as the transport."""

from __future__ import annotations

import asyncio

import pytest

from runtime import AnswerTimeout, CommandFailed, CommandQuarantined, Conflict
from tests.integration.runtime.audit import at_rest, audit
from tests.integration.runtime.conftest import Installation
from tests.integration.runtime.crew_app import Account, Order, result_of
from tests.waiting import wait_until


async def _finish(installed: Installation) -> None:
    await wait_until(lambda: at_rest(installed.database), seconds=20, what="an empty outbox")
    await installed.stop()
    await audit(installed.database)


async def test_a_whole_life(installed: Installation) -> None:
    """Parallel, local and retried tasks, a timer, a command, a query, a result; each effect once."""
    await installed.node()
    await installed.worker()
    client = await installed.client()
    orders = [asyncio.create_task(client.execute(Order, f"{n}", f"tea {n}", timeout=30)) for n in range(20)]
    await wait_until(lambda: _runs(installed, 20), seconds=20, what="all orders started")
    assert await client.query(Order, "3", "is_approved") is False
    for n in range(20):
        assert await client.call(Order, f"{n}", "approve", "ann", command_id=f"a{n}") == "ann"
        assert await client.call(Order, f"{n}", "approve", "ann", command_id=f"a{n}") == "ann"
    assert await asyncio.gather(*orders) == [result_of(f"tea {n}") for n in range(20)]
    assert await client.start(Order, "3", "tea 3") is False
    with pytest.raises(Conflict):
        await client.start(Order, "3", "coffee")
    effects = await installed.sql("SELECT what, runs FROM effects")
    assert len(effects) == 80
    assert {row["runs"] for row in effects} == {1}
    await _finish(installed)


async def test_commands_count_once_and_in_order(installed: Installation) -> None:
    """Each is sent twice, at once; refused and crashing ones in between change nothing."""
    await installed.node()
    client = await installed.client()
    calls = [client.call(Account, "a", "deposit", 1, command_id=f"c{n}") for n in range(100) for _ in range(2)]
    answers = await asyncio.gather(*calls)
    assert sorted(set(answers)) == list(range(1, 101))
    assert answers[::2] == answers[1::2]
    with pytest.raises(CommandFailed, match="too little"):
        await client.call(Account, "a", "deposit", -5)
    with pytest.raises(CommandQuarantined, match="unlucky"):
        await client.call(Account, "a", "deposit", 13, command_id="poison")
    with pytest.raises(CommandQuarantined):
        await client.call(Account, "a", "deposit", 13, command_id="poison")
    assert await client.query(Account, "a", "balance") == 100
    assert [r["reason"] for r in await installed.sql("DELETE FROM perdure.quarantine RETURNING reason")] == [
        "ZeroDivisionError: unlucky"
    ]
    await _finish(installed)


async def test_nodes_come_and_go(installed: Installation) -> None:
    """Partitions move to where nodes are, while work goes on, and an orderly stop leaves no lease."""
    first = await installed.node()
    await installed.worker()
    client = await installed.client()
    orders = [asyncio.create_task(client.execute(Order, f"{n}", f"tea {n}", timeout=60)) for n in range(30)]
    second = await installed.node()
    await wait_until(lambda: _shares(installed, [2, 2]), seconds=20, what="two nodes with two partitions each")
    approvals = [client.call(Order, f"{n}", "approve", "ann", command_id=f"a{n}", timeout=60) for n in range(30)]
    await installed.stop(first)
    await wait_until(lambda: _shares(installed, [4]), seconds=20, what="one node with all partitions")
    await asyncio.gather(*approvals)
    assert await asyncio.gather(*orders) == [result_of(f"tea {n}") for n in range(30)]
    await installed.node()
    await installed.stop(second)
    assert await client.call(Account, "a", "deposit", 5, timeout=30) == 5
    await _finish(installed)
    assert await installed.sql("SELECT * FROM perdure.nodes") == []


async def test_a_fenced_node_gives_way(installed: Installation) -> None:
    """Somebody took its partitions without telling it; its writes are refused, and it serves them again later."""
    await installed.node()
    client = await installed.client()
    assert await client.call(Account, "a", "deposit", 1) == 1
    await installed.sql(
        "UPDATE perdure.partitions SET epoch = epoch + 1, owner = 'thief', expires_at = now() + interval '1 second'"
    )
    assert await client.call(Account, "a", "deposit", 1, timeout=40) == 2
    epochs = [r["epoch"] for r in await installed.sql("SELECT epoch FROM perdure.events ORDER BY version")]
    assert epochs == [1, 3]
    await _finish(installed)


async def test_tasks_that_the_broker_lost_are_published_again(installed: Installation) -> None:
    """Postgres knows what is unfinished."""
    await installed.node()
    client = await installed.client()
    await client.start(Order, "1", "tea")
    await wait_until(lambda: _published(installed), seconds=15, what="the tasks' messages are out")
    await _purge(installed)
    # The rows say when each is due again; nobody wants to wait for that here.
    await installed.sql("UPDATE perdure.outbox SET due_at = now()")
    await installed.worker()
    await client.call(Order, "1", "approve", "ann")
    assert await client.result(Order, "1", timeout=60) == result_of("tea")
    await _finish(installed)


async def test_a_command_outlives_its_nodes(installed: Installation) -> None:
    """Nobody is there to take it; it waits, and its id finds the answer later."""
    client = await installed.client()
    with pytest.raises(AnswerTimeout):
        await client.call(Account, "a", "deposit", 5, command_id="x", timeout=0.5)
    await installed.node()
    assert await client.call(Account, "a", "deposit", 5, command_id="x", timeout=30) == 5
    assert await client.query(Account, "a", "balance") == 5
    await _finish(installed)


async def _runs(installed: Installation, count: int) -> bool:
    rows = await installed.sql("SELECT count(*) AS n FROM perdure.executions WHERE stream LIKE 'Order/%'")
    return bool(rows[0]["n"] == count)


async def _shares(installed: Installation, wanted: list[int]) -> bool:
    rows = await installed.sql(
        "SELECT count(*) AS n FROM perdure.partitions WHERE owner IS NOT NULL GROUP BY owner ORDER BY 1"
    )
    return [row["n"] for row in rows] == wanted


async def _published(installed: Installation) -> bool:
    rows = await installed.sql("SELECT count(*) AS n FROM perdure.outbox WHERE due_at IS NOT NULL")
    return bool(rows[0]["n"] == 2)


async def _purge(installed: Installation) -> None:
    if installed.settings.broker_url is None:
        await installed.sql("DELETE FROM perdure.messages WHERE queue = 'perdure.tasks.default'")
        return
    import aio_pika

    connection = await aio_pika.connect(installed.settings.broker_url)
    async with connection:
        channel = await connection.channel()
        queue = await channel.get_queue("perdure.tasks.default", ensure=False)
        await queue.purge()
