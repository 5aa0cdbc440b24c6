"""Messages that are not in their actor's queue yet, or fell out of it: the ingress and the dead letters.

Every node helps with both. What can be read is sent on to its partition; what can't is put aside with its reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from actors import InvalidInput
from actors.names import stream_name
from runtime.hosting.host import PartitionHost
from runtime.hosting.services import Services
from runtime.messages import Inbound, Status, decode_inbound, decode_task, encode_message, error_reply
from runtime.transport.port import Delivery, Destination, Message, Subscription

RETRY = 1.0  # seconds until a node that owns no partition looks again

log = structlog.get_logger("perdure.node")


class StrayMail:
    """Handles deliveries from the ingress and the dead-letter queue. `host` gives some partition of this node."""

    def __init__(self, services: Services, host: Callable[[], PartitionHost | None]) -> None:
        self._services, self._host = services, host

    def ingress(self, delivery: Delivery, subscription: Subscription) -> None:
        """Send a command on to its partition, or tell its sender what is wrong with it."""
        try:
            content = _addressed(delivery.body)
        except InvalidInput as error:
            if delivery.reply_to is None:
                self._put_aside(delivery, subscription, f"{type(error).__name__}: {error}")
            else:
                self._answer(delivery.reply_to, delivery, error)
                subscription.ack(delivery)
            return
        self._services.forward(content, delivery, subscription)

    def dead_letter(self, delivery: Delivery, subscription: Subscription) -> None:
        """Bring back what the broker gave up on. A task needs no help: it is published again from the outbox."""
        try:
            content = _addressed(delivery.body)
        except InvalidInput as error:
            if _is_task(delivery.body):
                subscription.ack(delivery)
            else:
                self._put_aside(delivery, subscription, f"{type(error).__name__}: {error}")
            return
        log.warning("dead letter sent again", actor=content.stream)
        self._services.forward(content, delivery, subscription)

    def _answer(self, reply_to: str, delivery: Delivery, error: InvalidInput) -> None:
        body = encode_message(error_reply(Status.INVALID, error))
        reply = Message(Destination.REPLIES, reply_to, body, correlation_id=delivery.correlation_id)
        self._services.reply([reply])

    def _put_aside(self, delivery: Delivery, subscription: Subscription, reason: str) -> None:
        def again() -> None:
            asyncio.get_running_loop().call_later(RETRY, self._put_aside, delivery, subscription, reason)

        host = self._host()
        if host is not None:
            host.unhandled.put_aside(delivery, subscription, reason, 0, lost=again)
        else:  # only the owner of a partition can write it down
            again()


def _addressed(body: bytes) -> Inbound:
    content = decode_inbound(body)
    stream_name(content.type, content.id)
    return content


def _is_task(body: bytes) -> bool:
    try:
        decode_task(body)
    except InvalidInput:
        return False
    return True
