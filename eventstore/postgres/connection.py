"""One way to connect: every statement of the store runs under these settings."""

from __future__ import annotations

import asyncpg

CONNECT_TIMEOUT = 10.0  # seconds
STATEMENT_TIMEOUT = 30.0  # seconds; the server gives up a little before the client does

SETTINGS = {
    "application_name": "perdure",
    "default_transaction_isolation": "read committed",  # the commit re-reads a head that it had to wait for
    "timezone": "UTC",
    # A client that is stopped in the middle of a transaction must not keep a head locked.
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": f"{int(STATEMENT_TIMEOUT - 2)}s",
    "lock_timeout": "20s",
    # Every statement goes by key. Plans are made once, often while the tables are still empty, and a plan that
    # scans a table which was small then must not outlive the table's growth.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_sort": "off",  # where an index gives the order, or most of it, follow the index
    "jit": "off",
}


async def connect(dsn: str, **settings: str) -> asyncpg.Connection[asyncpg.Record]:
    """Open one connection, with other settings where given; raises asyncpg's errors, for the caller to translate."""
    return await asyncpg.connect(
        dsn, timeout=CONNECT_TIMEOUT, command_timeout=STATEMENT_TIMEOUT, server_settings=SETTINGS | settings
    )


async def create_pool(dsn: str, size: int) -> asyncpg.Pool[asyncpg.Record]:
    """Open a pool of at most `size` connections."""
    return await asyncpg.create_pool(
        dsn,
        min_size=0,  # no background task of the pool's own, which would log a traceback for every failed try
        max_size=size,
        reset=_keep,
        timeout=CONNECT_TIMEOUT,
        command_timeout=STATEMENT_TIMEOUT,
        server_settings=SETTINGS,
    )


async def _keep(connection: object) -> None:
    """Spare the round trip of a reset: the store leaves no session state behind."""
