"""Properties that are no UTF-8: a publisher's mistake that must not take the node down. (tests/integration/messages/test_not_utf8.py)"""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pika.data  # type: ignore[import-untyped]  # pika ships no types
import pytest

from tests.integration.messages.bare_client import COMMANDS, BareClient

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def latin_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that writes short strings in Latin-1, as a careless one does."""

    def encode(pieces: list[bytes], value: str) -> int:
        data = value.encode("latin-1")
        pieces.extend([struct.pack("B", len(data)), data])
        return 1 + len(data)

    monkeypatch.setattr(pika.data, "encode_short_string", encode)


@pytest.mark.parametrize("options", [{"correlation_id": "é"}, {"headers": {"é": 1}}, {"reply_to": "é"}], ids=str)
async def test_node_goes_on(client: BareClient, latin_1: None, options: dict[str, Any]) -> None:
    """What follows is answered."""
    body = {"op": "query", "type": "Counter", "id": "a", "name": "total"}
    await asyncio.to_thread(client.publish, body, COMMANDS, **options)
    assert (await asyncio.to_thread(client.ask, body))["status"] == "ok"
