"""Commands to every partition, many times a second, straight to the broker: no client of the runtime, so no patience of one.

A partition works again when an observer sees the first event that a probe of this drill has caused.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aio_pika
import msgspec

from runtime.routing import partition_of
from tests.faults.journal import Journal, Saw

_EVERY = 0.2  # seconds between two probes of a partition
_CONFIRM = 3.0
_AWAY = 0.1
_LOST = (aio_pika.exceptions.AMQPError, OSError, TimeoutError, RuntimeError)


class Prober:
    """Publishes while `drill` has a name."""

    def __init__(self, url: str, partitions: int, journal: Journal) -> None:
        self.drill = ""
        self._url, self._journal = url, journal
        self._probes = [_probe_of(partition, partitions) for partition in range(partitions)]
        self._number = 0
        self._wanted = asyncio.Event()

    def begin(self, drill: str) -> None:
        """Send probes under a new name from now on."""
        self.drill = drill
        self._wanted.set()

    def end(self) -> None:
        """Send no more."""
        self._wanted.clear()

    async def run(self) -> None:
        """Probe until cancelled, over one connection after the other."""
        while True:
            await self._wanted.wait()
            with suppress(*_LOST):
                connection = await aio_pika.connect(self._url, timeout=_CONFIRM)
                try:
                    await self._publish(connection)
                finally:
                    with suppress(*_LOST):
                        await asyncio.wait_for(connection.close(), _CONFIRM)
            await asyncio.sleep(_AWAY)

    async def _publish(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Probe until the connection is lost, or no probes are wanted."""
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = await channel.get_exchange("perdure.commands", ensure=False)
        while self._wanted.is_set():
            self._number += 1
            each = (self._one(exchange, partition, id) for partition, id in enumerate(self._probes))
            async with asyncio.timeout(_CONFIRM):
                # A lost connection may end a publish with a CancelledError that nobody asked for.
                ends = await asyncio.gather(*each, return_exceptions=True)
            if any(ends):
                return
            await asyncio.sleep(_EVERY)

    async def _one(self, exchange: aio_pika.abc.AbstractExchange, partition: int, id: str) -> None:
        stream, unique = f"Tally/{id}", f"probe:{self.drill}:{self._number}:{partition}"
        body = {"op": "command", "type": "Tally", "id": id, "name": "add", "command_id": unique, "input": [1]}
        self._journal.write(Saw.SENT, unique, stream, "probe")
        message = aio_pika.Message(msgspec.json.encode(body), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await exchange.publish(message, str(partition), mandatory=True)
        self._journal.write(Saw.ACCEPTED, unique, stream, "probe")


def _probe_of(partition: int, partitions: int) -> str:
    """Find a tally that lives in this partition."""
    number = 0
    while partition_of(f"Tally/probe-{number}", partitions) != partition:
        number += 1
    return f"probe-{number}"
