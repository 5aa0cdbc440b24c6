"""Where a database is, in words that are safe to show: never the password."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit


def address_of(dsn: str) -> str:
    """Name a connection URL's user, database, host and port for an error message; understands `?host=/socket/folder`."""
    try:
        parts = urlsplit(dsn)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        host = query.get("host") or parts.hostname or "localhost"
        port = query.get("port") or parts.port or 5432
    except ValueError:
        return "a database URL that can't be parsed"
    user = query.get("user") or unquote(parts.username or "") or "the default user"
    database = query.get("dbname") or query.get("database") or unquote(parts.path.lstrip("/")) or user
    return f"database {database!r} at {host}:{port} as {user!r}"
