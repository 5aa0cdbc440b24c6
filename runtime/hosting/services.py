"""What all partitions of a node share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from actors import App, InvalidInput
from eventstore import EventStore, OutboxMessage
from runtime.committer import Committer
from runtime.hosting.children import restart_after
from runtime.hosting.loader import Loader
from runtime.messages import Inbound, decode_task, encode_message
from runtime.publisher import Publisher
from runtime.routing import partition_of
from runtime.transport.port import Delivery, Destination, Message, Subscription, Transport, TransportError

log = structlog.get_logger("perdure.node")


class Services:
    """The store, the ways out, and the batches that everybody's work goes through."""

    def __init__(
        self, app: App, store: EventStore, transport: Transport, sweep_after: float, new_id: Callable[[], str]
    ) -> None:
        self.app, self.store, self.transport, self.new_id = app, store, transport, new_id
        self.committer = Committer(store, self._flush_replies)
        self.loader = Loader(store)
        self.publisher = Publisher(transport)
        self._replies: list[Message] = []
        self._sweep_after = timedelta(seconds=sweep_after)

    @property
    def partitions(self) -> int:
        """How many partitions the store has."""
        return self.store.partitions

    def reply(self, replies: list[Message]) -> None:
        """Send answers, many at once; a lost one is asked for again by its caller."""
        if replies:
            if not self._replies:
                asyncio.get_running_loop().call_soon(self._flush_replies)
            self._replies += replies

    def _flush_replies(self) -> None:
        replies, self._replies = self._replies, []
        if replies:
            self.transport.post(replies)

    def republish_after(self, message: OutboxMessage, now: datetime) -> timedelta:
        """Say how long a published task or child may go without an outcome before it is published again.

        One that may run long must not be doubled while it does.
        """
        if message.destination == Destination.COMMANDS:
            return restart_after(message, now, self._sweep_after)
        try:
            task = self.app.task(decode_task(message.body).name)
        except InvalidInput:
            return self._sweep_after
        return max(self._sweep_after, timedelta(seconds=1.5 * task.timeout))

    def forward(self, content: Inbound, delivery: Delivery, subscription: Subscription) -> None:
        """Send a message on to the partition that its actor lives in; ack it when it is there."""
        partition = partition_of(content.stream, self.partitions)

        def settled(error: TransportError | None) -> None:
            if error is None:
                subscription.ack(delivery)
            else:
                log.warning("not forwarded yet", actor=content.stream, error=str(error))
                asyncio.get_running_loop().call_later(1.0, self.forward, content, delivery, subscription)

        message = Message(
            Destination.COMMANDS, str(partition), encode_message(content), delivery.reply_to, delivery.correlation_id
        )
        self.publisher.add(message, settled)
