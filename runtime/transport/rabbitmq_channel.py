"""A lean publishing channel on top of aiormq's: it keeps aiormq's connection, reader, writer, heartbeat and handling
of closed channels, and replaces what costs a future, a task or a frame object a message.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiormq import Connection, spec
from aiormq.abc import ChannelFrame, ConfirmationFrameType
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError
from msgspec import Struct as Record
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from runtime.transport.port import Destination, Message, PublishUnknown, TransportError
from runtime.transport.rabbitmq_bundle import bundled
from runtime.transport.rabbitmq_frames import publish_frames
from runtime.transport.rabbitmq_topology import EXCHANGES

_IN_FLIGHT = 4096  # AMQP messages without their confirms
_CHUNK_MESSAGES = 512
_CHUNK_BYTES = 256_000

C = TypeVar("C", bound=Channel)


class Batch:
    """The messages of one publish call, and how many confirms they still wait for."""

    __slots__ = ("done", "messages", "refused", "unconfirmed", "unroutable", "written")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.written = 0
        self.unconfirmed = len(messages)
        self.unroutable: list[Message] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirmed(self, *, refused: bool = False) -> None:
        """Count one message's confirm; with the last one the batch is done."""
        self.unconfirmed -= 1
        self.refused += refused
        if self.unconfirmed == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: TransportError) -> None:
        """End the wait."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a caller that was cancelled will not look


class Entry(Record, gc=False):
    """A message of a batch, on its way out."""

    batch: Batch
    message: Message


class PublishChannel(Channel):
    """Publishes batches in the order in which they are submitted; those that wait go out in one write, bundled.

    Each AMQP message is known by its publish sequence number, which is its message id too. So a returned message
    is told from every other publish on this channel, and a caller that gives up leaves nothing behind that could
    be taken for somebody else's confirm. A confirm, return or refusal of a bundle is one for each of its messages.
    """

    def __init__(self, connection: Connection, number: int, *, confirms: bool) -> None:
        self._unsent: deque[Batch] = deque()
        self._waiting: dict[int, list[Entry]] = {}  # for their confirms, by sequence number
        self._oldest = 1
        self._sequence = 0
        self._wake = asyncio.Event()
        self._progress = asyncio.Event()
        super().__init__(connection, number, publisher_confirms=confirms)
        self.writer = asyncio.create_task(self._write_all(), name="rabbitmq transport publish")

    def submit(self, batch: Batch) -> None:
        """Send a batch soon; its `done` tells when it is confirmed, or written on a channel without confirms."""
        self._unsent.append(batch)
        self._wake.set()

    def lose(self, reason: str) -> None:
        """Tell everyone who waits that their confirms will not come. What was never written is in doubt as well."""
        self.writer.cancel()
        batches = [*self._unsent, *(entry.batch for entries in self._waiting.values() for entry in entries)]
        self._unsent.clear()
        self._waiting.clear()
        for batch in batches:
            batch.fail(PublishUnknown(f"no confirm: {reason}; publish again with the same ids"))

    async def _write_all(self) -> None:
        while True:
            if not self._unsent:
                self._wake.clear()
                await self._wake.wait()
            elif len(self._waiting) >= _IN_FLIGHT:
                self._progress.clear()
                await self._progress.wait()
            else:
                await self._write_chunk(min(_CHUNK_MESSAGES, _IN_FLIGHT - len(self._waiting)))

    async def _write_chunk(self, room: int) -> None:
        """Write up to `room` messages of the batches that wait, and let the socket take them."""
        taken = self._take(room)
        try:
            await self._write_taken(taken)
        except BaseException:
            # No queue and no confirm knows of these now: `lose` would pass them by, and their callers wait for ever.
            for entry in taken:
                entry.batch.fail(PublishUnknown("the connection ended in the middle of a write; publish again"))
            raise

    async def _write_taken(self, taken: list[Entry]) -> None:
        frames: list[bytes] = []
        written: list[Entry] = []
        for entries in bundled(taken, self.max_content_size):
            try:
                frames += self._frames(entries)
            except TransportError as error:
                for entry in entries:
                    entry.batch.fail(error)
                continue
            self._sequence += 1
            if self.publisher_confirms:
                self._waiting[self._sequence] = entries
            else:
                written += entries
        if frames:
            # Not a future of aiormq's: those end with the channel in ways that look like a cancellation.
            drained = asyncio.get_running_loop().create_future()
            await self.write_queue.put(ChannelFrame(b"".join(frames), should_close=False, drain_future=drained))
            await drained
        for entry in written:
            entry.batch.confirmed()

    def _take(self, room: int) -> list[Entry]:
        """Take messages of the batches that wait. A batch whose caller is gone is not sent any further."""
        taken: list[Entry] = []
        size = 0
        while self._unsent and room > 0 and size < _CHUNK_BYTES:
            batch = self._unsent[0]
            messages = batch.messages
            while not batch.done.done() and batch.written < len(messages) and room > 0 and size < _CHUNK_BYTES:
                message = messages[batch.written]
                taken.append(Entry(batch, message))
                batch.written += 1
                room -= 1
                size += len(message.body)
            if batch.done.done() or batch.written == len(messages):
                self._unsent.popleft()
        return taken

    def _frames(self, entries: Sequence[Entry]) -> list[bytes]:
        destination = entries[0].message.destination
        return publish_frames(
            self.number,
            EXCHANGES[destination],
            [entry.message for entry in entries],
            message_id=str(self._sequence + 1),
            mandatory=self.publisher_confirms and destination is not Destination.REPLIES,
            body_limit=self.max_content_size,
        )

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        tag = frame.delivery_tag
        if tag is None:
            return
        refused = not isinstance(frame, spec.Basic.Ack)
        multiple = getattr(frame, "multiple", False)
        first = self._oldest if multiple else tag
        for place in range(first, tag + 1):
            for entry in self._waiting.pop(place, ()):
                entry.batch.confirmed(refused=refused)
        if multiple:
            self._oldest = max(self._oldest, tag + 1)
        self._progress.set()

    async def _on_return_frame(self, frame: spec.Basic.Return) -> None:  # noqa: ARG002  aiormq's signature
        header = await self._get_frame()
        if not isinstance(header, ContentHeader):
            raise AMQPError(f"expected a content header, got {header!r}")
        missing = header.body_size
        while missing > 0:
            piece = await self._get_frame()
            if not isinstance(piece, ContentBody):
                raise AMQPError(f"expected a content body, got {piece!r}")
            missing -= len(piece.value)
        message_id = header.properties.message_id
        for entry in self._waiting.get(int(message_id), ()) if message_id else ():
            entry.batch.unroutable.append(entry.message)


async def open_channel(connection: Connection, make: Callable[[int], C], *, timeout: float) -> C:
    """Open a channel of our own class under a number that is free."""
    number = max(connection.channels, default=0) + 1
    channel = make(number)
    connection.channels[number] = channel
    await channel.open(timeout=timeout)
    return channel
