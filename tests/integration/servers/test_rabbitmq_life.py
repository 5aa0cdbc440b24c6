"""A private RabbitMQ: its life cycle, and what a crash of it or of its owner leaves."""

from __future__ import annotations

from pathlib import Path

import aio_pika
import pytest

from runtime.servers import PrivateRabbitMQ, ServerError
from runtime.servers.process import is_alive
from tests.killed_owner import run_until_it_prints_and_kill
from tests.waiting import wait_until


async def publish(url: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await channel.declare_queue("orders", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "orders")


async def take(url: str) -> bytes | None:
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("orders")
        message = await queue.get(no_ack=True, fail=False)
        return message.body if message else None


@pytest.mark.timeout(120)
async def test_confirmed_messages_survive_an_orderly_restart() -> None:
    """The same address and the same queues on every virtual host; strangers are refused."""
    async with PrivateRabbitMQ(fsync=False) as rabbitmq:
        with pytest.raises(aio_pika.exceptions.ProbableAuthenticationError):
            await aio_pika.connect(f"amqp://perdure:wrong@127.0.0.1:{rabbitmq.port}/")
        with pytest.raises(ServerError, match="no virtual host name"):
            await rabbitmq.add_vhost('">>, halt().')
        url = await rabbitmq.add_vhost("shop")
        await publish(url, b"10248")
        await rabbitmq.restart()
        assert await take(url) == b"10248"


@pytest.mark.timeout(120)
async def test_a_killed_owner_leaves_a_folder_that_starts(server_folder: Path) -> None:
    """Neither the server nor its port mapper outlives the owner, and nothing is in the next one's way."""
    code = (
        "import asyncio; from pathlib import Path; from runtime.servers import PrivateRabbitMQ\n"
        "async def main():\n"
        f"    server = PrivateRabbitMQ(Path({str(server_folder)!r}), fsync=False)\n"
        "    await server.start()\n"
        "    print(server.pid, server._epmd.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    pids = run_until_it_prints_and_kill(code)
    async with PrivateRabbitMQ(server_folder, fsync=False) as rabbitmq:
        assert len(pids) == 2
        await wait_until(lambda: not any(is_alive(pid) for pid in pids))
        await rabbitmq.kill()
        assert not rabbitmq.is_running
