"""A connection that is lost while a posted message is being written does not silence the ones after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from runtime.transport.port import Destination, Message
from runtime.transport.rabbitmq import RabbitMQTransport
from tests.faults.proxy import Proxy
from tests.waiting import wait_until

MORE_THAN_SOCKETS_HOLD = b"x" * 40_000_000


async def test_posts_go_on_after_a_write_that_was_cut(fresh_vhost: Callable[[], Awaitable[str]]) -> None:
    """The broker stops reading in the middle of a write, and then the connection goes: later replies must leave."""
    url = await fresh_vhost()
    server = urlsplit(url)
    assert server.hostname is not None
    async with Proxy("poster", server.hostname, server.port or 5672) as link:
        poster, caller = RabbitMQTransport(link.through(url)), RabbitMQTransport(url)
        try:
            await poster.open()
            await caller.open()
            address, inbox = await caller.reply_inbox()
            assert link.black_hole()
            poster.post([Message(Destination.REPLIES, address, MORE_THAN_SOCKETS_HOLD)])
            epoch = poster._publisher._epoch
            assert epoch is not None
            await wait_until(lambda: not poster._publisher._posted and not epoch.posting._unsent)
            link.reset()
            link.heal()

            async def heard() -> bool:
                poster.post([Message(Destination.REPLIES, address, b"the next one")])  # posts promise nothing: again
                try:
                    async with asyncio.timeout(0.2):
                        return b"the next one" in [delivery.body for delivery in await inbox.receive()]
                except TimeoutError:
                    return False

            await wait_until(heard, seconds=20)
        finally:
            link.heal()
            await poster.close()
            await caller.close()
