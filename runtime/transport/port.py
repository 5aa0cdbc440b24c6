"""The broker port: what a transport must do, for RabbitMQ, Postgres and memory alike.

Postgres (the log) is the only truth and the broker is a doorbell, so the port promises little, and each
adapter keeps exactly this, held by one conformance suite:

* at least once: a message whose publish was confirmed is delivered until a consumer acks it;
* in order from one publisher to one queue as long as nothing fails. After a failure order may break;
* an exclusive subscription is the only one that gets a queue's messages. The lease decides who should own
  a partition; the transport only has to stop feeding two consumers at once for long;
* acks are buffered and sent in bulk: `ack` costs no round trip. An ack that is lost means a redelivery, and so may
  one of a message whose neighbours were not acked when the subscription ended: they may have travelled together;
* closing a subscription, or losing its connection, hands every unacked message back to the queue. There is
  no way to hand back one message and go on: that would break the order of a mailbox;
* a subscription belongs to one connection. When that is lost `receive` raises `SubscriptionLost`, later
  acks on its deliveries do nothing, and the owner subscribes anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class TransportError(Exception):
    """Base of every error that a transport raises.

    TransportError
    ├── TransportUnavailable   no connection, or refused credentials; nothing was sent
    ├── PublishUnknown         no confirm came: the messages may or may not be in their queues
    ├── Unroutable             the broker has no queue for some message; run `perdure migrate`
    └── SubscriptionLost       the consumer's connection ended; unacked messages come again
    """


class TransportUnavailable(TransportError):
    """The broker can't be reached, or refuses the credentials. Nothing was sent."""


class PublishUnknown(TransportError):
    """The confirm did not come: each message of the batch may or may not be in its queue. Publish again with the same ids."""


class Unroutable(TransportError):
    """No queue takes these messages; the others of the batch are in."""

    def __init__(self, messages: Sequence[Message]) -> None:
        places = ", ".join(sorted({f"{m.destination}:{m.key}" for m in messages}))
        super().__init__(f"no queue takes messages for {places}; declare the topology with `perdure migrate`")
        self.messages = list(messages)


class SubscriptionLost(TransportError):
    """The subscription's connection ended, or another exclusive consumer took its place."""


class Destination(StrEnum):
    """Where a message goes; its `key` says which one of them."""

    COMMANDS = "commands"  # key: partition number
    INGRESS = "ingress"  # key: "type.id"; a node forwards it to the partition
    TASKS = "tasks"  # key: task queue
    REPLIES = "replies"  # key: a reply address; unroutable replies are dropped silently
    DEAD = "dead"  # key: free text; messages a broker or a worker gave up on


class Message(Struct, gc=False):
    """A message to publish."""

    destination: Destination
    key: str
    body: bytes
    reply_to: str | None = None
    correlation_id: str | None = None


class Delivery(Struct, gc=False, eq=False):
    """A message that came. `redeliveries` counts earlier deliveries that were not acked, as far as the broker knows."""

    source: Destination
    key: str  # as the publisher gave it
    body: bytes
    reply_to: str | None = None
    correlation_id: str | None = None
    redeliveries: int = 0
    tag: int = 0  # the adapter's own


class Topology(Struct, frozen=True):
    """What must exist before anything is accepted."""

    partitions: int
    task_queues: frozenset[str] = frozenset()


class Subscription(Protocol):
    """A consumer of one queue. Not safe for several receivers at once."""

    async def receive(self) -> list[Delivery]:
        """Wait for messages and give all that are here, in order, at least one.

        Raises:
            SubscriptionLost: the connection ended, or the subscription was closed meanwhile.
        """
        ...

    def ack(self, delivery: Delivery) -> None:
        """Mark a delivery as handled; the adapter tells the broker soon, many at once."""
        ...

    def dead_letter(self, delivery: Delivery) -> None:
        """Move a delivery to the dead-letter queue."""
        ...

    async def close(self) -> None:
        """Send the acks that are due and hand back what is unacked; safe to call twice."""
        ...


class Transport(Protocol):
    """A broker. One object serves one process; publishing and consuming use separate connections."""

    async def open(self) -> None:
        """Connect. Raises `TransportUnavailable`."""
        ...

    async def close(self) -> None:
        """Close every subscription and connection; safe to call twice and before `open`."""
        ...

    async def declare(self, topology: Topology) -> None:
        """Create what is missing, and come back only when every queue takes and gives messages."""
        ...

    async def check(self, topology: Topology) -> list[str]:
        """Say what is missing of the topology, one readable line each; an empty list when all is well."""
        ...

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish and wait until all are confirmed: one wait for the batch, not one a message.

        Raises:
            TransportUnavailable, PublishUnknown, Unroutable.
        """
        ...

    def post(self, messages: Sequence[Message]) -> None:
        """Publish without waiting and without promise: for replies, which their caller asks for again."""
        ...

    async def subscribe(
        self, source: Destination, key: str = "", *, prefetch: int, exclusive: bool = False
    ) -> Subscription:
        """Consume a queue: COMMANDS by partition (`exclusive`), TASKS by queue, INGRESS and DEAD with no key.

        At most `prefetch` deliveries are unacked at any time: that is the back pressure.
        """
        ...

    async def reply_inbox(self) -> tuple[str, Subscription]:
        """Create this process's own reply queue; gives its address and its subscription.

        The queue goes away with its connection. Replies need no ack.
        """
        ...
