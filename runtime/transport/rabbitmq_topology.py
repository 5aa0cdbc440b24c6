"""The exchanges and queues on RabbitMQ: their names and arguments, making them, and saying what is wrong with them.

```
perdure.commands  direct   key = partition   ──> perdure.commands.<p>   quorum, single active consumer
perdure.ingress   topic    any key           ──> perdure.ingress        quorum
perdure.tasks     direct   key = task queue  ──> perdure.tasks.<queue>  quorum
perdure.dead      fanout                     ──> perdure.dead           quorum
perdure.events    topic    key = Type.EventType ──> whatever consumers outside bind
(default)                  key = address     ──> a caller's own exclusive queue
```
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from aiormq import Connection, spec
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed
from msgspec import Struct

from runtime.transport.port import Destination, Topology, TransportError, TransportUnavailable
from runtime.transport.queues import queue_name

EXCHANGES: Final[Mapping[Destination, str]] = MappingProxyType(
    {
        Destination.COMMANDS: "perdure.commands",
        Destination.INGRESS: "perdure.ingress",
        Destination.TASKS: "perdure.tasks",
        Destination.DEAD: "perdure.dead",
        Destination.REPLIES: "",
    }
)
EVENTS: Final = "perdure.events"  # not a destination of the port: there is nobody in particular at its other end
_EXCHANGE_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        EXCHANGES[Destination.COMMANDS]: "direct",
        EXCHANGES[Destination.INGRESS]: "topic",
        EXCHANGES[Destination.TASKS]: "direct",
        EXCHANGES[Destination.DEAD]: "fanout",
        EVENTS: "topic",
    }
)
# Marks the message that tries a new queue; consumers drop it unseen.
PROBE: Final = "x-perdure-probe"
_PROBE_SECONDS = 15.0
_TAKEN_SECONDS = 1.0

# Attempts are counted in the log: the broker's limit is only the last resort against a message that kills nodes.
_DELIVERY_LIMIT = 1000


class QueueSpec(Struct, frozen=True):
    """A queue as it must be."""

    destination: Destination
    key: str
    name: str

    @property
    def binding(self) -> str:
        """The routing key that it is bound with."""
        return "#" if self.destination is Destination.INGRESS else self.key

    @property
    def arguments(self) -> dict[str, Any]:
        """Its arguments. Dead-lettering at least once needs the overflow to refuse publishes."""
        arguments: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": EXCHANGES[Destination.DEAD],
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
            "x-delivery-limit": _DELIVERY_LIMIT,
        }
        if self.destination is Destination.COMMANDS:
            arguments["x-single-active-consumer"] = True
        return arguments


def queue_specs(topology: Topology) -> list[QueueSpec]:
    """List every queue of a topology; the dead-letter queue first, because the others lead into it."""
    wanted = [
        (Destination.DEAD, ""),
        (Destination.INGRESS, ""),
        *((Destination.COMMANDS, str(partition)) for partition in range(topology.partitions)),
        *((Destination.TASKS, queue) for queue in sorted(topology.task_queues)),
    ]
    return [QueueSpec(destination, key, queue_name(destination, key)) for destination, key in wanted]


async def declare_topology(connection: Connection, topology: Topology) -> bool:
    """Make what is missing and try each new queue with a message; says whether anything was new.

    Raises:
        TransportError: an exchange or queue exists with other properties.
        TransportUnavailable: a new queue did not take and give its message in time.
    """
    channel = await connection.channel(publisher_confirms=True)
    for exchange in _EXCHANGE_TYPES:
        if (trouble := await _declare_exchange(channel, exchange)) is not None:
            raise TransportError(trouble)
    new = []
    for queue in queue_specs(topology):
        if await _is_missing(connection, queue):
            new.append(queue)
        channel = await _living(connection, channel)
        if (trouble := await _declare_queue(channel, queue)) is not None:
            raise TransportError(trouble)
        await channel.queue_bind(queue.name, EXCHANGES[queue.destination], queue.binding)
    if new:
        await _try_out(connection, new)
    return bool(new)


async def check_topology(connection: Connection, topology: Topology) -> list[str]:
    """Say what is missing or different, a line each. Bindings can't be read over AMQP; declaring renews them."""
    lines = []
    for exchange in _EXCHANGE_TYPES:
        channel = await connection.channel(publisher_confirms=False)
        try:
            await channel.exchange_declare(exchange, passive=True)
        except ChannelNotFoundEntity:
            lines.append(f"exchange {exchange!r} is missing")
            continue
        if (trouble := await _declare_exchange(channel, exchange)) is not None:
            lines.append(trouble)
    for queue in queue_specs(topology):
        if await _is_missing(connection, queue):
            lines.append(f"queue {queue.name!r} is missing")
            continue
        channel = await connection.channel(publisher_confirms=False)
        if (trouble := await _declare_queue(channel, queue)) is not None:
            lines.append(trouble)
        else:
            await channel.close()
    return lines


async def _living(connection: Connection, channel: AbstractChannel) -> AbstractChannel:
    """The broker answers a wrong declaration by closing the channel."""
    return await connection.channel(publisher_confirms=True) if channel.is_closed else channel


async def _is_missing(connection: Connection, queue: QueueSpec) -> bool:
    channel = await connection.channel(publisher_confirms=False)
    try:
        await channel.queue_declare(queue.name, passive=True)
    except ChannelNotFoundEntity:
        return True
    await channel.close()
    return False


async def _declare_exchange(channel: AbstractChannel, name: str) -> str | None:
    type = _EXCHANGE_TYPES[name]
    try:
        await channel.exchange_declare(name, exchange_type=type, durable=True)
    except ChannelPreconditionFailed as error:
        return f"exchange {name!r} exists, but not as a durable {type} exchange ({error}); delete it and declare again"
    return None


async def _declare_queue(channel: AbstractChannel, queue: QueueSpec) -> str | None:
    try:
        await channel.queue_declare(queue.name, durable=True, arguments=queue.arguments)
    except ChannelPreconditionFailed as error:
        return f"queue {queue.name!r} exists with other arguments ({error}); drain it, delete it and declare again"
    return None


async def _try_out(connection: Connection, queues: list[QueueSpec]) -> None:
    """Send a message through each new queue: a broker may say that a queue is there before it takes anything."""
    channel = await connection.channel(publisher_confirms=True)
    await channel.basic_qos(prefetch_count=1)
    waiting = {queue.name for queue in queues}
    emptied = asyncio.Event()

    async def took(name: str, message: DeliveredMessage) -> None:
        headers = message.header.properties.headers or {}
        if PROBE not in headers:
            return  # somebody publishes already: what we leave unacked goes back when the channel closes
        await channel.basic_ack(message.delivery_tag or 0, wait=False)
        waiting.discard(name)
        if not waiting:
            emptied.set()

    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            for queue in queues:
                await channel.basic_publish(
                    b"",
                    routing_key=queue.name,
                    mandatory=True,
                    properties=spec.Basic.Properties(delivery_mode=2, headers={PROBE: True}),
                )
            for queue in queues:
                await channel.basic_consume(queue.name, partial(took, queue.name))
            await _emptied_or_taken(emptied)
    except TimeoutError as error:
        raise TransportUnavailable(
            f"queue {queues[0].name!r} and others were declared but took no message within {_PROBE_SECONDS:g} s; "
            "check that a majority of the RabbitMQ nodes runs, then declare again"
        ) from error
    finally:
        await channel.close()


async def _emptied_or_taken(emptied: asyncio.Event) -> None:
    """A process that consumes the new queues already takes and drops the probes in our place."""
    try:
        async with asyncio.timeout(_TAKEN_SECONDS):
            await emptied.wait()
    except TimeoutError:
        return
