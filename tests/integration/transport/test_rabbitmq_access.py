from __future__ import annotations

import socket

import pytest
from yarl import URL

from runtime.transport import TransportUnavailable
from runtime.transport.rabbitmq import RabbitMQTransport


async def _refusal(url: str) -> str:
    transport = RabbitMQTransport(url, patience=2)
    with pytest.raises(TransportUnavailable) as caught:
        await transport.open()
    await transport.close()
    return str(caught.value)


async def test_wrong_credentials_are_one_line_without_the_password(rabbitmq_url: str) -> None:
    """It names the user, host and port."""
    url = URL(rabbitmq_url).with_password("s3cret-guess")
    text = await _refusal(str(url))
    assert "refuses user 'perdure'" in text
    assert f"{url.host}:{url.port}" in text
    assert "s3cret" not in text
    assert "\n" not in text


async def test_a_missing_virtual_host_is_named(rabbitmq_url: str) -> None:
    """The credentials are right, the place is not."""
    text = await _refusal(str(URL(rabbitmq_url).with_path("/nowhere")))
    assert "virtual host 'nowhere'" in text
    assert "check that the virtual host exists" in text


async def test_an_unreachable_broker_is_one_line(unused_port: int) -> None:
    """Nobody listens."""
    text = await _refusal(f"amqp://perdure:s3cret@127.0.0.1:{unused_port}/")
    assert f"127.0.0.1:{unused_port}" in text
    assert "check that it runs" in text
    assert "s3cret" not in text


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
