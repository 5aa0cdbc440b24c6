"""A lean publishing channel on top of aiormq's: it keeps aiormq's connection, reader, writer, heartbeat and handling
of closed channels, and replaces what costs a future, a task or a frame object a message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from aiormq import Connection, spec
from aiormq.abc import ChannelFrame, ConfirmationFrameType
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from runtime.transport.port import Destination, Message, PublishUnknown
from runtime.transport.rabbitmq_frames import publish_frames
from runtime.transport.rabbitmq_topology import EXCHANGES

_IN_FLIGHT = 512
_CHUNK_MESSAGES = 128
_CHUNK_BYTES = 256_000

C = TypeVar("C", bound=Channel)


class Batch:
    """The messages of one publish call, and how many confirms they still wait for."""

    __slots__ = ("done", "first", "messages", "refused", "unconfirmed", "unroutable")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.unconfirmed = len(messages)
        self.unroutable: list[Message] = []
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def confirmed(self, *, refused: bool) -> None:
        """Count one message's confirm; with the last one the batch is done."""
        self.unconfirmed -= 1
        self.refused += refused
        if self.unconfirmed == 0 and not self.done.done():
            self.done.set_result(None)

    def lost(self, reason: str) -> None:
        """End the wait: what is not confirmed by now is unknown."""
        if not self.done.done():
            self.done.set_exception(PublishUnknown(f"no confirm: {reason}; publish again with the same ids"))
            self.done.exception()  # a caller that was cancelled will not look


class PublishChannel(Channel):
    """Publishes whole batches, and knows each message by its publish sequence number.

    The number is the AMQP message id too, so a returned message is told from every other publish on this
    channel: a caller that gives up leaves nothing behind that could be taken for somebody else's confirm.
    """

    def __init__(self, connection: Connection, number: int, *, confirms: bool) -> None:
        self._batches: dict[int, tuple[Batch, Message]] = {}  # by sequence number
        self._oldest = 1
        self._sequence = 0
        self._turn = asyncio.Lock()
        self._progress = asyncio.Event()
        self._drained: asyncio.Future[None] | None = None
        super().__init__(connection, number, publisher_confirms=confirms)

    async def send(self, batch: Batch) -> None:
        """Write a batch in chunks, with at most a few hundred messages in flight; its `done` tells the rest.

        Without confirms the batch is done with its last write.
        """
        async with self._turn:
            for chunk in _chunks(batch.messages):
                while self._batches and len(self._batches) + len(chunk) > _IN_FLIGHT:
                    self._progress.clear()
                    await self._progress.wait()
                if batch.done.done():
                    return
                await self._write(batch, chunk)

    async def _write(self, batch: Batch, chunk: Sequence[Message]) -> None:
        frames: list[bytes] = []
        for place, message in enumerate(chunk, self._sequence + 1):
            frames += publish_frames(
                self.number,
                EXCHANGES[message.destination],
                message,
                message_id=str(place),
                mandatory=self.publisher_confirms and message.destination is not Destination.REPLIES,
                body_limit=self.max_content_size,
            )
        first = self._sequence + 1
        self._sequence += len(chunk)
        if self.publisher_confirms:
            self._batches.update((place, (batch, message)) for place, message in enumerate(chunk, first))
        # Not a future of aiormq's: those end with the channel in ways that look like a cancellation of the caller.
        self._drained = drained = asyncio.get_running_loop().create_future()
        try:
            await self.write_queue.put(ChannelFrame(b"".join(frames), should_close=False, drain_future=drained))
        except BaseException:
            # A cancelled `put` put nothing: the broker never saw these numbers, the next chunk takes them.
            self._sequence = first - 1
            for place in range(first, first + len(chunk)):
                self._batches.pop(place, None)
            raise
        await drained

    def lose(self, reason: str) -> None:
        """Tell every waiting batch that its confirms will not come, and let a blocked writer go."""
        batches, self._batches = self._batches, {}
        for batch, _ in batches.values():
            batch.lost(reason)
        self._progress.set()
        if self._drained is not None and not self._drained.done():
            self._drained.set_exception(PublishUnknown(f"no confirm: {reason}; publish again with the same ids"))
            self._drained.exception()  # a writer that was cancelled will not look
        while not self.write_queue.empty():
            self.write_queue.get_nowait()

    async def _on_confirm_frame(self, frame: ConfirmationFrameType) -> None:
        tag = frame.delivery_tag
        if tag is None:
            return
        refused = not isinstance(frame, spec.Basic.Ack)
        multiple = getattr(frame, "multiple", False)
        first = self._oldest if multiple else tag
        for place in range(first, tag + 1):
            entry = self._batches.pop(place, None)
            if entry is not None:
                entry[0].confirmed(refused=refused)
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
        entry = self._batches.get(int(message_id)) if message_id else None
        if entry is not None:
            batch, message = entry
            batch.unroutable.append(message)


async def open_channel(connection: Connection, make: Callable[[int], C], *, timeout: float) -> C:
    """Open a channel of our own class under a number that is free."""
    number = max(connection.channels, default=0) + 1
    channel = make(number)
    connection.channels[number] = channel
    await channel.open(timeout=timeout)
    return channel


def _chunks(messages: Sequence[Message]) -> list[Sequence[Message]]:
    """Cut a batch so that one write neither holds too many messages nor too many bytes."""
    if len(messages) <= _CHUNK_MESSAGES and sum(len(m.body) for m in messages) <= _CHUNK_BYTES:
        return [messages]
    chunks: list[Sequence[Message]] = []
    start = size = 0
    for place, message in enumerate(messages):
        if place > start and (place - start >= _CHUNK_MESSAGES or size + len(message.body) > _CHUNK_BYTES):
            chunks.append(messages[start:place])
            start, size = place, 0
        size += len(message.body)
    chunks.append(messages[start:])
    return chunks
