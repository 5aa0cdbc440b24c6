"""The warehouse: a program of its own that knows the shop's database and, of Perdure, only how to send a command."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg

from runtime.cli.running import announce, serve
from runtime.client import Client
from runtime.demo.shop import Shop, shop_url
from runtime.demo.workflow import ProcessOrder
from runtime.settings import Settings, load_settings
from runtime.transport.port import TransportError

BATCH = 100
IMPATIENT_EVERY = 4  # each fourth order's command is published twice, as by a publisher that got no confirm
LOOK_AGAIN = 0.1  # seconds after an empty look; the shop knows nothing of the warehouse, so nobody wakes it

_AWAITING = """
SELECT DISTINCT order_id FROM notifications AS sent
WHERE kind = 'confirmed' AND NOT EXISTS (SELECT FROM shipments WHERE shipments.order_id = sent.order_id)
ORDER BY order_id LIMIT $1
"""
_LOCK = """
SELECT 1 FROM inventory WHERE product_id IN (SELECT product_id FROM reservations WHERE order_id = ANY($1))
ORDER BY product_id FOR UPDATE
"""
_SHIP = """
UPDATE inventory SET reserved = reserved - line.units, shipped = shipped + line.units
FROM (SELECT product_id, sum(units)::integer AS units FROM reservations WHERE order_id = ANY($1) GROUP BY 1) AS line
WHERE inventory.product_id = line.product_id
"""
_SHIPMENT = "INSERT INTO shipments (order_id, tracking) VALUES ($1, $2)"
_UNTOLD = "SELECT order_id, tracking FROM shipments WHERE told = 0 ORDER BY order_id LIMIT $1"
_TOLD = "UPDATE shipments SET told = $2 WHERE order_id = $1"


class Warehouse:
    """Ships what awaits shipment, then tells each order's workflow.

    Shipping is one transaction. Telling comes after it and is not part of it: a warehouse that dies in between
    tells again when it is back, under the same command id, so the workflow hears of it once.
    """

    def __init__(self, shop: Shop, client: Client) -> None:
        self._shop, self._client = shop, client

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            if await self._ship() + await self._tell() == 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_AGAIN)

    async def _ship(self) -> int:
        async with self._shop.transaction() as connection:
            orders = [row["order_id"] for row in await connection.fetch(_AWAITING, BATCH)]
            if orders:
                await connection.execute(_LOCK, orders)
                await connection.execute(_SHIP, orders)
                await connection.executemany(_SHIPMENT, [(order, f"NW-{order}-{order % 97:02}") for order in orders])
        return len(orders)

    async def _tell(self) -> int:
        async with self._shop.transaction() as connection:
            shipments = await connection.fetch(_UNTOLD, BATCH)
        told = [
            (order, times)
            for order, times in await asyncio.gather(*(self._tell_one(row) for row in shipments))
            if times > 0
        ]
        async with self._shop.transaction() as connection:
            await connection.executemany(_TOLD, told)
        return len(told)

    async def _tell_one(self, shipment: asyncpg.Record) -> tuple[int, int]:
        """Publish the command; gives the order, and how often its command was confirmed by the broker."""
        order: int = shipment["order_id"]
        times = 0
        for _ in range(1 + (order % IMPATIENT_EVERY == 0)):
            try:
                await self._client.send(
                    ProcessOrder, str(order), "fulfil", shipment["tracking"], command_id=f"shipment-{order}"
                )
            except TransportError:
                continue  # unknown, not no: what was not confirmed even once is told again in the next round
            times += 1
        return order, times


async def open_warehouse(settings: Settings, stop: asyncio.Event) -> None:
    """Connect to both sides, and work until `stop` is set."""
    from runtime.assembly import connect

    shop = Shop(shop_url())
    try:
        async with connect(settings) as client:
            announce("READY=1")
            await Warehouse(shop, client).run(stop)
    finally:
        await shop.close()


def main() -> None:
    """Run the warehouse until SIGTERM."""
    settings = load_settings()

    async def work(stop: asyncio.Event) -> None:
        await open_warehouse(settings, stop)

    serve(work)


if __name__ == "__main__":
    main()
