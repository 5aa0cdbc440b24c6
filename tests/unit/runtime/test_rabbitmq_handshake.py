"""A broker that goes away in the middle of the handshake is one that can't be reached."""

from __future__ import annotations

from typing import Any

import aio_pika
import pytest

from runtime.transport.port import TransportUnavailable
from runtime.transport.rabbitmq_connection import connect


class EndsInHandshake(aio_pika.Connection):
    """What aiormq does when the server's end of stream comes before its next frame."""

    async def connect(self, timeout: Any = None) -> None:
        raise StopAsyncIteration


async def test_end_of_stream_in_the_handshake() -> None:
    """It is a typed error, which callers outlive: a bare one ended the client's publisher, and it was mute from then on."""
    with pytest.raises(TransportUnavailable, match="does not answer"):
        await connect("amqp://nobody@127.0.0.1/v", EndsInHandshake, name="test", timeout=1)
