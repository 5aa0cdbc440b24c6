"""A consumer of one queue on RabbitMQ: one channel, whose delivery tags are 1, 2, 3 …

Acks are kept until the loop's next turn and leave as one frame with `multiple` for everything up to the highest
contiguous handled tag. What was handled beyond a gap is acked one by one: a slow first task must not keep the
slots of the others.

A bundle is taken apart here and acked when all of its parts are. Until then a lost connection brings all of it again,
so a part may come twice although it was acked; its receiver bears that, as it bears every redelivery.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiormq import spec
from aiormq.abc import ChannelFrame
from aiormq.channel import Channel

from runtime.transport.port import Delivery, Destination, Message, SubscriptionLost, TransportError
from runtime.transport.rabbitmq_bundle import PART_BITS, parts
from runtime.transport.rabbitmq_connection import BROKER_LOST, reason
from runtime.transport.rabbitmq_frames import ack_frame, reject_frame
from runtime.transport.rabbitmq_reader import Arrival
from runtime.transport.rabbitmq_topology import PROBE

_CLOSE_SECONDS = 5.0
_WRITER_BUSY_SECONDS = 0.002

Publish = Callable[[Sequence[Message]], Awaitable[None]]


class RabbitMQSubscription:
    """A consumer. It lives as long as its channel.

    The broker counts AMQP messages for the prefetch, so this counts deliveries: what a bundle holds beyond the room
    waits here, as bytes.
    """

    def __init__(self, source: Destination, prefetch: int, publish: Publish) -> None:
        self._source = source
        self._prefetch = prefetch
        self._publish = publish
        self._needs_ack = source is not Destination.REPLIES
        self._channel: Channel | None = None
        self._ending: asyncio.Future[object] | None = None
        self._on_end: Callable[[], None] | None = None
        self._lost: str | None = None
        self._buffer: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._held: set[int] = set()  # tags of deliveries that were given out and are not acked
        self._open_parts: dict[int, int] = {}  # how many parts of a bundle are not handled, by AMQP tag
        self._burials: set[asyncio.Task[None]] = set()
        self._handled: list[int] = []
        self._dead: list[int] = []
        self._newest = 0  # the highest tag that came
        self._settled_upto = 0  # every tag up to this one is settled
        self._settled: set[int] = set()  # settled beyond that
        self._flush_due: asyncio.Handle | None = None

    @property
    def is_lost(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._lost is not None

    def attach(self, channel: Channel, *, on_end: Callable[[], None]) -> None:
        """Take the channel that will consume, and what to do when it is gone."""
        self._on_end = on_end
        self._channel = channel
        self._ending = channel.closing
        self._ending.add_done_callback(self._ended)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)

    async def receive(self) -> list[Delivery]:
        """Wait for messages and give all that are here and fit into the prefetch; raises `SubscriptionLost`."""
        while self._lost is None and not (self._buffer and self._room > 0):
            self._arrived.clear()
            await self._arrived.wait()
        if self._lost is not None:
            raise SubscriptionLost(self._lost)
        buffer = self._buffer
        if len(buffer) <= self._room:
            deliveries = list(buffer)
            buffer.clear()
        else:
            deliveries = [buffer.popleft() for _ in range(self._room)]
        if self._needs_ack:
            self._held.update([delivery.tag for delivery in deliveries])
        return deliveries

    @property
    def _room(self) -> int:
        return self._prefetch - len(self._held)

    def ack(self, delivery: Delivery) -> None:
        """Mark a delivery as handled; late acks do nothing."""
        if self._release(delivery):
            self._part_handled(delivery.tag >> PART_BITS)

    def dead_letter(self, delivery: Delivery) -> None:
        """Reject a delivery, which the queue then dead-letters at least once; too late does nothing.

        The broker can't reject a part of a bundle, so that is published to the dead letters, and acked after that.
        """
        if not self._release(delivery):
            return
        tag = delivery.tag >> PART_BITS
        if tag in self._open_parts:
            burial = asyncio.create_task(self._bury(delivery, tag), name="rabbitmq transport dead letter")
            self._burials.add(burial)
            burial.add_done_callback(self._burials.discard)
        else:
            self._dead.append(tag)
            self._flush_soon()

    def _release(self, delivery: Delivery) -> bool:
        if self._lost is not None or delivery.tag not in self._held:
            return False
        self._held.remove(delivery.tag)
        if self._buffer:
            self._arrived.set()
        return True

    def _part_handled(self, tag: int) -> None:
        """Count one delivery of an AMQP message; with the last one the broker may forget it."""
        still_open = self._open_parts.get(tag, 1) - 1
        if still_open:
            self._open_parts[tag] = still_open
            return
        self._open_parts.pop(tag, None)
        self._handled.append(tag)
        self._flush_soon()

    async def _bury(self, part: Delivery, tag: int) -> None:
        message = Message(Destination.DEAD, part.key, part.body, part.reply_to, part.correlation_id)
        try:
            await self._publish([message])
        except TransportError as error:  # then it stays where it is: all that is unacked comes again
            self.lose(f"a dead letter could not be published: {error}")
        else:
            self._part_handled(tag)

    async def close(self) -> None:
        """Send the acks that are due and close the channel, which hands the rest back; safe to call twice."""
        channel = self._channel
        if channel is None or channel.is_closed:
            self.lose("the subscription was closed")
            return
        if self._burials:
            for late in (await asyncio.wait(self._burials, timeout=_CLOSE_SECONDS))[1]:
                late.cancel()
        # Lost already, and the channel open: the broker took the consumer away, or an earlier close was cancelled.
        frames = self._take_frames() if self._lost is None else b""
        self.lose("the subscription was closed")
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                if frames:
                    await channel.write_queue.put(ChannelFrame(frames, should_close=False))
                await channel.close()
        except BROKER_LOST:
            return  # the connection's end hands everything back

    def deliver(self, arrival: Arrival) -> None:
        """Take a message from the connection's reader."""
        tag = self._newest = arrival.tag
        headers = arrival.headers
        if headers is not None and PROBE in headers:
            self._handled.append(tag)
            self._flush_soon()
            return
        redeliveries = _count(headers) if arrival.redelivered else 0
        if arrival.is_bundle:
            deliveries = parts(arrival, self._source, redeliveries)
            if self._needs_ack and len(deliveries) > 1:
                self._open_parts[tag] = len(deliveries)
            self._buffer.extend(deliveries)
        else:
            self._buffer.append(
                Delivery(
                    self._source,
                    arrival.key,
                    arrival.body,
                    arrival.reply_to,
                    arrival.correlation_id,
                    redeliveries,
                    tag << PART_BITS,
                )
            )
        self._arrived.set()

    def lose(self, why: str) -> None:
        """End: `receive` raises, and what was not yet acked comes again."""
        if self._lost is None:
            self._lost = why
            self._buffer.clear()
            self._held.clear()
            self._open_parts.clear()
            self._arrived.set()
            if self._flush_due is not None:
                self._flush_due.cancel()

    def _ended(self, ending: asyncio.Future[object]) -> None:
        if self._on_end is not None:
            self._on_end()
        self.lose(f"the connection was lost: {reason(None if ending.cancelled() else ending.exception())}")

    async def _cancelled(self, frame: spec.Basic.Cancel) -> None:
        """The broker stopped feeding: the queue was deleted, or its leader is gone for good."""
        self.lose(f"RabbitMQ cancelled consumer {frame.consumer_tag!r}: its queue was deleted or is unavailable")

    # -- acks ---------------------------------------------------------------------------------------------

    def _flush_soon(self) -> None:
        if self._flush_due is None:
            self._flush_due = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = None
        channel = self._channel
        if self._lost is not None or channel is None:
            return
        if channel.write_queue.full():
            loop = asyncio.get_running_loop()
            self._flush_due = loop.call_later(_WRITER_BUSY_SECONDS, self._flush)
            return
        frames = self._take_frames()
        if frames:
            channel.write_queue.put_nowait(ChannelFrame(frames, should_close=False))

    def _take_frames(self) -> bytes:
        """Settle what is due. A `multiple` ack must name a tag that is unsettled still, or the broker closes the channel."""
        if self._channel is None:
            return b""
        number = self._channel.number
        acked = {tag for tag in self._handled if self._is_open(tag)}
        dead = [tag for tag in dict.fromkeys(self._dead) if tag not in acked and self._is_open(tag)]
        self._handled.clear()
        self._dead.clear()
        frames = [reject_frame(number, tag) for tag in dead]
        self._settled.update(dead)
        contiguous = 0
        place = self._settled_upto + 1
        while True:
            if place in acked:
                acked.discard(place)
                contiguous = place
            elif place in self._settled:
                self._settled.discard(place)
            else:
                break
            place += 1
        self._settled_upto = place - 1
        if contiguous:
            frames.append(ack_frame(number, contiguous, multiple=True))
        frames += [ack_frame(number, tag, multiple=False) for tag in sorted(acked)]
        self._settled |= acked
        return b"".join(frames)

    def _is_open(self, tag: int) -> bool:
        return self._settled_upto < tag <= self._newest and tag not in self._settled


def _count(headers: dict[str, Any] | None) -> int:
    """Read a quorum queue's count of earlier deliveries; a redelivered message had one at least."""
    count = headers.get("x-delivery-count") if headers else None
    return max(count, 1) if isinstance(count, int) else 1
