from __future__ import annotations

import re
from urllib.parse import urlsplit

import asyncpg

from runtime.servers.errors import ServerError

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def database_url(url: str, name: str) -> str:
    """The same server and user, another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


async def create_database(admin_url: str, name: str, *, template: str | None = None) -> str:
    """Create an empty database, or a copy of `template`, and give its address.

    Raises:
        ServerError: the name is not lower-case letters, digits and underscores, or is taken.
    """
    copy = f' TEMPLATE "{_checked(template)}"' if template else ""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'CREATE DATABASE "{_checked(name)}"{copy}')
    except asyncpg.DuplicateDatabaseError:
        raise ServerError(f"database {name} exists already; drop it first, or take another name") from None
    finally:
        await connection.close()
    return database_url(admin_url, name)


async def drop_database(admin_url: str, name: str) -> None:
    """Drop a database and end its connections; one that does not exist is no error."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{_checked(name)}" WITH (FORCE)')
    finally:
        await connection.close()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ServerError(f"{name!r} is no database name; use up to 63 of a-z, 0-9 and _, not starting with a digit")
    return name
