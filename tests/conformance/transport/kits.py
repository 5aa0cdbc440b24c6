"""What the suite needs of an adapter besides the port: a process's transport, and its faults."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from urllib.parse import urlsplit

from runtime.transport import Delivery, Destination, Message, Subscription, Topology, Transport
from runtime.transport.memory import MemoryBroker, MemoryTransport
from runtime.transport.postgres import PostgresTransport
from runtime.transport.rabbitmq import RabbitMQTransport
from tests.conformance.transport.proxy import Proxy

TOPOLOGY = Topology(partitions=2, task_queues=frozenset({"orders"}))


def orders(*bodies: bytes) -> list[Message]:
    """Messages for the task queue `orders`."""
    return [Message(Destination.TASKS, "orders", body) for body in bodies]


def commands(*bodies: bytes, partition: int = 0) -> list[Message]:
    """Messages for a partition."""
    return [Message(Destination.COMMANDS, str(partition), body) for body in bodies]


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


async def collect(subscription: Subscription, count: int, *, ack: bool = False, seconds: float = 20) -> list[Delivery]:
    """Receive until `count` deliveries are here, acking each batch if asked."""
    found: list[Delivery] = []
    async with asyncio.timeout(seconds):
        while len(found) < count:
            batch = await subscription.receive()
            found += batch
            if ack:
                for delivery in batch:
                    subscription.ack(delivery)
    return found


async def collect_until(subscription: Subscription, last: bytes, *, seconds: float = 20) -> list[bytes]:
    """Receive without acking until this body came; gives all bodies."""
    found: list[bytes] = []
    async with asyncio.timeout(seconds):
        while not found or found[-1] != last:
            found += bodies(await subscription.receive())
    return found


async def nothing_comes(subscription: Subscription, transport: Transport) -> bool:
    """Whether the subscription stays empty while the server does other work for the same process: a message sent
    and received through a reply queue, after which whatever was due would have been delivered.
    """
    receiving = asyncio.ensure_future(subscription.receive())
    address, inbox = await transport.reply_inbox()
    for _ in range(3):
        await transport.publish([Message(Destination.REPLIES, address, b"fence")])
        await collect(inbox, 1)
    await inbox.close()
    quiet = not receiving.done()
    receiving.cancel()
    await asyncio.wait([receiving])
    return quiet


class Kit(ABC):
    """One adapter on one server. Every transport stands for a process."""

    takes_over_at_once = True  # the newest exclusive subscriber wins; else it waits until the older one is gone

    def __init__(self) -> None:
        self._made: list[Transport] = []

    async def declared(self) -> Transport:
        """An open transport on a server that has the suite's topology."""
        transport = await self.transport()
        await transport.declare(TOPOLOGY)
        return transport

    async def transport(self) -> Transport:
        """One more process, connected."""
        transport = self.unopened()
        await transport.open()
        return transport

    def unopened(self) -> Transport:
        transport = self._make()
        self._made.append(transport)
        return transport

    async def close(self) -> None:
        for transport in self._made:
            await transport.close()

    @abstractmethod
    def _make(self) -> Transport: ...

    @abstractmethod
    async def cut(self) -> None:
        """Lose the connections of every transport, as when the network is reset."""


class MemoryKit(Kit):
    def __init__(self) -> None:
        super().__init__()
        self._broker = MemoryBroker()

    def _make(self) -> Transport:
        return MemoryTransport(self._broker)

    async def cut(self) -> None:
        for transport in self._made:
            assert isinstance(transport, MemoryTransport)
            transport.drop()


class ProxiedKit(Kit):
    """A server behind a proxy."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        self._direct_url = url
        self._url = parts
        self.proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 0)

    @property
    def url(self) -> str:
        """The server's address through the proxy."""
        parts = self._url
        return parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{self.proxy.port}").geturl()

    def _make(self) -> Transport:
        return self._at(self.url)

    def direct(self) -> Transport:
        """A process that does not go through the proxy; the caller opens and closes it."""
        return self._at(self._direct_url)

    @abstractmethod
    def _at(self, url: str) -> Transport: ...

    async def cut(self) -> None:
        self.proxy.cut()

    async def close(self) -> None:
        await super().close()
        await self.proxy.close()


class PostgresKit(ProxiedKit):
    def _at(self, url: str) -> Transport:
        return PostgresTransport(url, recheck=0.3, heartbeat=0.5, patience=5)


class RabbitMQKit(ProxiedKit):
    takes_over_at_once = False

    def _at(self, url: str) -> Transport:
        return RabbitMQTransport(url, patience=5, settle=0)
