from __future__ import annotations

import asyncio
import json
import secrets
import urllib.request
from base64 import b64encode
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote, urlsplit

_BATCH = 8


class VhostSource(Protocol):
    """Creates and deletes virtual hosts on one RabbitMQ."""

    async def add_vhosts(self, names: Sequence[str], *, delete: Sequence[str] = ()) -> list[str]:
        """Give the new ones' addresses, in order."""
        ...


class VhostPool:
    """Hands every test an empty virtual host of its own.

    Making one takes a second, making eight takes little more, so they are made ahead, and the used ones
    are deleted with the same command.
    """

    def __init__(self, source: VhostSource) -> None:
        self._source = source
        self._ready: list[str] = []
        self._used: list[str] = []

    async def take(self) -> str:
        """The address of an empty virtual host."""
        if not self._ready:
            names = [f"test-{secrets.token_hex(6)}" for _ in range(_BATCH)]
            used, self._used = self._used, []
            self._ready = await self._source.add_vhosts(names, delete=used)
        return self._ready.pop()

    def give_back(self, url: str) -> None:
        """Say that a virtual host may go."""
        self._used.append(url.rpartition("/")[2])


class ManagedBroker:
    """A RabbitMQ that we did not start, through its management API."""

    def __init__(self, broker_url: str, management_url: str) -> None:
        self._broker_url = broker_url
        self._management = urlsplit(management_url)

    async def add_vhosts(self, names: Sequence[str], *, delete: Sequence[str] = ()) -> list[str]:
        """Give the new ones' addresses, in order."""
        for name in delete:
            await asyncio.to_thread(self._request, "DELETE", f"vhosts/{quote(name)}")
        user = urlsplit(self._broker_url).username or "guest"
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        for name in names:
            await asyncio.to_thread(self._request, "PUT", f"vhosts/{quote(name)}")
            await asyncio.to_thread(self._request, "PUT", f"permissions/{quote(name)}/{quote(user)}", everything)
        return [urlsplit(self._broker_url)._replace(path=f"/{quote(name)}").geturl() for name in names]

    def _request(self, method: str, path: str, body: dict[str, str] | None = None) -> None:
        place = self._management
        request = urllib.request.Request(
            f"{place.scheme}://{place.hostname}:{place.port or 15672}/api/{path}",
            data=json.dumps(body or {}).encode(),
            method=method,
            headers={
                "content-type": "application/json",
                "authorization": "Basic " + b64encode(f"{place.username}:{place.password}".encode()).decode(),
            },
        )
        with urllib.request.urlopen(request, timeout=10):
            pass
