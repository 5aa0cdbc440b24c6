"""What an outside observer finds: read from the shop's database and from the log, with connections of its own."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import asyncpg
from msgspec import Struct

_EFFECTS = """
SELECT order_id, 'invoice' AS effect, count(*)::integer AS times FROM invoices GROUP BY 1
UNION ALL SELECT order_id, kind, count(*)::integer FROM notifications GROUP BY 1, 2
UNION ALL SELECT order_id, 'shipment', count(*)::integer FROM shipments GROUP BY 1
UNION ALL SELECT order_id, 'reservation', max(times) FROM (
    SELECT order_id, product_id, count(*)::integer AS times FROM reservations GROUP BY 1, 2
) AS line GROUP BY 1
"""
_STOCK = """
SELECT product_id, stocked, inventory.reserved, shipped, coalesce(line.units, 0) AS promised
FROM inventory LEFT JOIN (
    SELECT product_id, sum(units)::integer AS units FROM reservations GROUP BY 1
) AS line USING (product_id)
"""
_GOODS = "SELECT coalesce(sum(goods), 0) FROM invoices"
_TOLD = "SELECT count(*) FILTER (WHERE told > 1) FROM shipments"
_STREAMS = """
SELECT substr(stream, length('ProcessOrder/') + 1)::integer AS order_id,
       array_agg(type ORDER BY version) FILTER (WHERE type IN ('RunCompleted', 'RunFailed')) AS ends,
       min(version) = 1 AND max(version) = count(*) AND count(DISTINCT version) = count(*) AS gapless
FROM perdure.events WHERE stream LIKE 'ProcessOrder/%' GROUP BY stream
"""
_REPEATED_COMMANDS = """
SELECT coalesce(sum(times - 1), 0)::integer FROM (
    SELECT count(*) AS times FROM perdure.events_readable
    WHERE stream LIKE 'ProcessOrder/%' AND type = 'CommandReceived' GROUP BY stream, data ->> 'id'
) AS command
"""
_REPEATED_OUTCOMES = """
SELECT coalesce(sum(times - 1), 0)::integer FROM (
    SELECT count(*) AS times FROM perdure.events_readable
    WHERE stream LIKE 'ProcessOrder/%' AND type IN ('TaskCompleted', 'TaskFailed') GROUP BY stream, data ->> 'task'
) AS outcome
"""
_EPOCHS_BACK = """
SELECT count(*) FROM (
    SELECT epoch < lag(epoch) OVER (PARTITION BY stream ORDER BY version) AS back FROM perdure.events
) AS step WHERE back
"""
_EVENTS = "SELECT count(*) FROM perdure.events"
_MOST_MOVED = """
SELECT substr(stream, length('ProcessOrder/') + 1)::integer FROM perdure.events
WHERE stream LIKE 'ProcessOrder/%' GROUP BY stream
ORDER BY bool_or(type = 'RunCompleted') DESC, count(DISTINCT epoch) DESC, stream LIMIT 1
"""


class Stock(Struct, frozen=True):
    """One product: units the shop ever had, set aside now, shipped, and reserved by orders in all."""

    stocked: int
    reserved: int
    shipped: int
    promised: int


class Evidence(Struct, kw_only=True):
    """The facts, uninterpreted."""

    effects: dict[int, Counter[str]]  # order -> how often each effect was found
    stock: dict[int, Stock]
    goods: Decimal
    told_twice: int  # orders whose command the warehouse published more than once
    ends: dict[int, list[str]]  # order -> the events that ended it
    gaps: int  # streams whose versions are not 1, 2, 3 …
    repeated_commands: int  # command ids found again in a stream
    repeated_outcomes: int  # tasks with a second outcome
    epochs_back: int  # events written under an older lease than the one before
    events: int
    most_moved: int  # the fulfilled order whose events were written by the most owners of its partition


async def gather_evidence(shop: str, log: str) -> Evidence:
    """Read both databases.

    Args:
        shop: URL of the shop's database.
        log: URL of Perdure's.
    """
    shop_connection = await asyncpg.connect(shop)
    log_connection = await asyncpg.connect(log)
    try:
        effects: dict[int, Counter[str]] = {}
        for row in await shop_connection.fetch(_EFFECTS):
            effects.setdefault(row["order_id"], Counter())[row["effect"]] = row["times"]
        streams = await log_connection.fetch(_STREAMS)
        return Evidence(
            effects=effects,
            stock={
                row["product_id"]: Stock(row["stocked"], row["reserved"], row["shipped"], row["promised"])
                for row in await shop_connection.fetch(_STOCK)
            },
            goods=await shop_connection.fetchval(_GOODS),
            told_twice=await shop_connection.fetchval(_TOLD),
            ends={row["order_id"]: row["ends"] or [] for row in streams},
            gaps=sum(not row["gapless"] for row in streams),
            repeated_commands=await log_connection.fetchval(_REPEATED_COMMANDS),
            repeated_outcomes=await log_connection.fetchval(_REPEATED_OUTCOMES),
            epochs_back=await log_connection.fetchval(_EPOCHS_BACK),
            events=await log_connection.fetchval(_EVENTS),
            most_moved=await log_connection.fetchval(_MOST_MOVED),
        )
    finally:
        await shop_connection.close()
        await log_connection.close()
