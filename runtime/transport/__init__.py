"""The broker port. Each adapter is imported from its own module, so that a client library that is not used is not loaded."""

from runtime.transport.port import (
    Delivery,
    Destination,
    Message,
    PublishUnknown,
    Subscription,
    SubscriptionLost,
    Topology,
    Transport,
    TransportError,
    TransportUnavailable,
    Unroutable,
)

__all__ = [
    "Delivery",
    "Destination",
    "Message",
    "PublishUnknown",
    "Subscription",
    "SubscriptionLost",
    "Topology",
    "Transport",
    "TransportError",
    "TransportUnavailable",
    "Unroutable",
]
