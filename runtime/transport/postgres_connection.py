"""Connections of the Postgres transport, and what their errors mean to the port."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from runtime.transport.backoff import CredentialsRefused
from runtime.transport.port import TransportError, TransportUnavailable

# The server is gone, going, or did not answer in time.
CONNECTION_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    OSError,
    TimeoutError,
)
_REFUSED: Final = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


def describe(dsn: str) -> str:
    """Name a database in one line, without its password."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    host = parts.hostname or query.get("host", ["the default host"])[0]
    return (
        f"{parts.path.lstrip('/') or 'the default database'} on {host}:{parts.port or query.get('port', ['5432'])[0]}"
    )


def reason(error: BaseException) -> str:
    """Say what an error says, and its kind when it says nothing."""
    return str(error) or type(error).__name__


async def connect(
    dsn: str, *, name: str, timeout: float, command_timeout: float | None = None, **settings: str
) -> asyncpg.Connection:
    """Open a connection with these server settings, whose statements may take `command_timeout` seconds.

    Raises:
        CredentialsRefused: the server does not know the user, the password or the database.
        TransportUnavailable: no answer.
    """
    try:
        return await asyncpg.connect(
            dsn,
            timeout=timeout,
            command_timeout=command_timeout,
            server_settings={"application_name": name, "jit": "off", **settings},
        )
    except _REFUSED as error:
        raise CredentialsRefused(f"Postgres refuses {describe(dsn)}: {error}; check the database URL") from error
    except (*CONNECTION_LOST, asyncpg.TooManyConnectionsError) as error:
        raise TransportUnavailable(
            f"Postgres does not answer for {describe(dsn)}: {reason(error)}; check that it runs and the database URL"
        ) from error


def refused(error: Exception) -> TransportError:
    """Translate an error that the server answered with: it is certain that nothing of the statement happened."""
    if isinstance(error, asyncpg.UndefinedTableError | asyncpg.UndefinedFunctionError | asyncpg.InvalidSchemaNameError):
        return TransportError(f"the transport's tables are missing ({error}); run `perdure migrate`")
    return TransportError(f"Postgres refuses the statement: {error}")
