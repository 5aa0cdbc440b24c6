"""What the tasks of the bank reach the outside by: a client of their own, and a table. One of each a process, made when first needed."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import Any

import asyncpg

from actors import Actor, Failure, task_context
from runtime.assembly import connect
from runtime.client import Client
from runtime.errors import CommandFailed
from runtime.settings import load_settings

EFFECTS = """
CREATE TABLE public.effects (key text PRIMARY KEY, value text NOT NULL);
"""
_KEEP = """
WITH mine AS (INSERT INTO public.effects (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING value)
SELECT value FROM mine UNION ALL SELECT value FROM public.effects WHERE key = $1 LIMIT 1
"""
_ANSWER_SECONDS = 6.0  # less than the tasks' timeout: an attempt that hears nothing says so itself


class Links:
    """Opened once; a link that could not be opened is tried again by the next attempt."""

    def __init__(self) -> None:
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._client: Client | None = None
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def client(self) -> Client:
        """Give the client."""
        async with self._opening:
            if self._client is None:
                self._client = await self._stack.enter_async_context(connect(load_settings()))
            return self._client

    async def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """Give connections to the database."""
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    os.environ["PERDURE_DATABASE_URL"], min_size=0, max_size=4, timeout=5, command_timeout=5
                )
            return self._pool

    async def close(self) -> None:
        """Close what was opened."""
        if self._pool is not None:
            self._pool.terminate()
        await self._stack.aclose()


LINKS = Links()


async def bank_call(kind: type[Actor], account: str, name: str, amount: int, refused: type[Failure]) -> Any:
    """Give an account a command under the task's key; raises `refused` when the account says no."""
    client = await LINKS.client()
    try:
        return await client.call(kind, account, name, amount, command_id=task_context().key, timeout=_ANSWER_SECONDS)
    except CommandFailed as error:
        raise refused(str(error)) from None


async def keep_effect(key: str, value: str) -> str:
    """Write an effect once; gives what stands there."""
    pool = await LINKS.pool()
    # A repetition at the same moment sees neither its own row nor the other's: then the next attempt does.
    row = await pool.fetchrow(_KEEP, key, value)
    if row is None:
        raise ConnectionError("another attempt is just writing the effect")
    return str(row["value"])
