"""The port of a topic exchange: where events are announced to whoever wants to hear of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Announcement(Struct, gc=False):
    """An event on its way out."""

    id: str  # the same however often it is published
    routing_key: str  # `Type.EventType`
    body: bytes


class EventExchange(Protocol):
    """A topic exchange. Nobody need listen: what no queue is bound for is dropped, and that is no error."""

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        """Publish in order, and wait until all are confirmed.

        Raises:
            TransportUnavailable: nothing was sent.
            PublishUnknown: some may be out, and some not.
            TransportError: the broker refuses.
        """
        ...

    async def close(self) -> None:
        """Release the connection; safe to call twice."""
        ...
