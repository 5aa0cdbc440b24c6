"""Databases that can't be reached say so in one line, without the password."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from eventstore import PostgresLeases, PostgresStore, StoreUnavailable, migrate_store
from eventstore.postgres.address import address_of

Fresh = Callable[[], Awaitable[str]]


def changed(dsn: str, *, user: str = "", password: str = "s3cret", port: int = 0, database: str = "") -> str:
    parts = urlsplit(dsn)
    place = f"{user or parts.username}:{password}@{parts.hostname}:{port or parts.port}"
    return urlunsplit(parts._replace(netloc=place, path=f"/{database}" if database else parts.path))


async def refused(dsn: str) -> str:
    """The error's text, the same for the store, the leases and the migration."""
    store, leases = PostgresStore(dsn), PostgresLeases(dsn)
    texts = set()
    for step in (store.open, leases.open, lambda: migrate_store(dsn)):
        with pytest.raises(StoreUnavailable) as caught:
            await step()
        texts.add(str(caught.value))
    await store.close()
    await leases.close()
    [text] = texts
    assert "\n" not in text
    assert "s3cret" not in text
    return text


async def test_wrong_password(fresh_database: Fresh) -> None:
    """The message names the place and what to check."""
    text = await refused(changed(await fresh_database()))
    assert "refuses the connection" in text
    assert "check the user, password and database name" in text


async def test_missing_database(fresh_database: Fresh) -> None:
    """The database is named."""
    dsn = await fresh_database()
    text = await refused(changed(dsn, password=urlsplit(dsn).password or "", database="no_such_thing"))
    assert 'database "no_such_thing" does not exist' in text


async def test_nobody_listens(fresh_database: Fresh) -> None:
    """Host and port are named."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        text = await refused(changed(await fresh_database(), port=port))
    assert f"127.0.0.1:{port}" in text
    assert "is the server running" in text


async def test_no_socket_in_the_folder(tmp_path: Path) -> None:
    """A socket folder in the query is understood and named."""
    text = await refused(f"postgresql://me:s3cret@/shop?host={tmp_path}")
    assert str(tmp_path) in text


async def test_no_url_at_all() -> None:
    """The message shows what a URL looks like."""
    text = await refused("mysql://me:s3cret@somewhere/shop")
    assert "a URL looks like postgresql://" in text


@pytest.mark.parametrize(
    ("dsn", "address"),
    [
        ("postgresql://me:pw@db:6000/shop", "database 'shop' at db:6000 as 'me'"),
        ("postgresql://me@/shop?host=/run/pg&port=7", "database 'shop' at /run/pg:7 as 'me'"),
        ("postgresql://localhost", "database 'the default user' at localhost:5432 as 'the default user'"),
        ("postgresql://me:pw@[::1]:99999999/x", "a database URL that can't be parsed"),
    ],
)
def test_addresses(dsn: str, address: str) -> None:
    """An address holds what helps, and no password."""
    assert address_of(dsn) == address


async def test_before_open() -> None:
    """A store that was never opened says so, and closes."""
    store = PostgresStore("postgresql://nowhere/x")
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.stream_version("A/1")
    await store.close()
