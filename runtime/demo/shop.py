"""The shop's database, as the tasks and the warehouse use it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
import msgspec

from actors import task_context
from runtime.demo.orders import Order, Product
from runtime.errors import ConfigurationError
from runtime.servers.databases import database_url

T = TypeVar("T")
if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.Connection

SHOP_URL = "PERDURE_DEMO_SHOP_URL"
MAX_CONNECTIONS = 10  # of one process

_CLAIM = "INSERT INTO effects (key, name, order_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING true"
_RESULT = "SELECT result FROM effects WHERE key = $1"
_RECORD = "UPDATE effects SET result = $2 WHERE key = $1"
_STOCK = "INSERT INTO inventory (product_id, name, discontinued, stocked) VALUES ($1, $2, $3, $4)"


def shop_url() -> str:
    """Say where the shop's database is.

    Raises:
        ConfigurationError: neither PERDURE_DEMO_SHOP_URL nor PERDURE_DATABASE_URL says so.
    """
    if given := os.environ.get(SHOP_URL):
        return given
    if log := os.environ.get("PERDURE_DATABASE_URL"):
        return database_url(log, "shop")
    raise ConfigurationError(f"the demo's tasks need the shop's database; set {SHOP_URL}, as `perdure demo` does")


async def create_shop(url: str, orders: tuple[Order, ...], products: tuple[Product, ...]) -> None:
    """Create the tables in an empty database, and stock what the order book asks for on top of what was there."""
    wanted = Counter[int]()
    for order in orders:
        for line in order.lines:
            wanted[line.product_id] += line.quantity
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute((files("runtime.demo") / "shop.sql").read_text())
            await connection.executemany(
                _STOCK,
                [(p.product_id, p.name, p.discontinued, p.units_in_stock + wanted[p.product_id]) for p in products],
            )
    finally:
        await connection.close()


class Shop:
    """One process's connections to the shop, opened when the first task needs one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._opening = asyncio.Lock()
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Borrow a connection inside a transaction."""
        async with (await self._connected()).acquire() as connection, connection.transaction():
            yield connection

    async def once(self, name: str, order_id: int, effect: Callable[[Connection], Awaitable[T]], type: type[T]) -> T:
        """Let the running task's effect happen once, however often the task runs.

        The task's idempotency key, the effect and its result are one transaction. A second attempt that comes while
        the first one is on its way waits for it at the key, and then gives its result.

        Args:
            name: of the effect, for people.
            order_id: which order it belongs to.
            effect: what to do, in the transaction.
            type: of its result, which is kept as JSON.
        """
        key = task_context().key
        async with self.transaction() as connection:
            if await connection.fetchval(_CLAIM, key, name, order_id) is None:
                return msgspec.json.decode(await connection.fetchval(_RESULT, key), type=type)
            result = await effect(connection)
            await connection.execute(_RECORD, key, msgspec.json.encode(result))
            return result

    async def close(self) -> None:
        """Close the connections; safe to call twice and before the first use."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _connected(self) -> asyncpg.Pool[asyncpg.Record]:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url, min_size=1, max_size=MAX_CONNECTIONS, server_settings={"application_name": "shop"}
                )
            return self._pool


_SHOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Shop] = WeakKeyDictionary()


def shop() -> Shop:
    """Give the shop of this process: tasks are plain functions, so what they share lives as long as their loop."""
    loop = asyncio.get_running_loop()
    if (found := _SHOPS.get(loop)) is None:
        found = _SHOPS[loop] = Shop(shop_url())
    return found
