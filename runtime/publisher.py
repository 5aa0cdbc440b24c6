"""Many callers, few broker round trips: what is handed in while one batch waits for its confirms makes the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from runtime.transport.port import Message, Transport, TransportError, Unroutable

MAX_BATCH = 500

Settled = Callable[[TransportError | None], None]


class Publisher:
    """Publishes in order of arrival, one batch at a time. `run` must be running for anything to leave."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._pending: list[tuple[Message, Settled]] = []
        self._arrived = asyncio.Event()

    def add(self, message: Message, settled: Settled) -> None:
        """Hand in a message; `settled` is called once, with None when it is confirmed, else with what went wrong."""
        self._pending.append((message, settled))
        self._arrived.set()

    async def publish(self, message: Message) -> None:
        """Publish one message and wait for its confirm; raises like `Transport.publish`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settled(error: TransportError | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.add(message, settled)
        await future

    async def run(self) -> None:
        """Publish until cancelled; a batch that is under way then is settled first, as unknown if need be."""
        while True:
            await self._arrived.wait()
            batch, self._pending = self._pending[:MAX_BATCH], self._pending[MAX_BATCH:]
            if not self._pending:
                self._arrived.clear()
            await self._publish(batch)

    async def _publish(self, batch: Sequence[tuple[Message, Settled]]) -> None:
        refused: dict[int, TransportError] = {}
        failed: TransportError | None = TransportError("the process is stopping; the message may or may not be out")
        try:
            await self._transport.publish([message for message, _ in batch])
            failed = None
        except Unroutable as error:
            refused = {id(message): error for message in error.messages}
            failed = None
        except TransportError as error:
            failed = error
        finally:
            for message, settled in batch:
                settled(failed or refused.get(id(message)))
