"""What an order makes happen in the outside world. Every effect goes through the task's idempotency key."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from msgspec import Struct

from actors import Retry, task, task_context
from runtime.demo.orders import CENT, Customer, Line, goods_value
from runtime.demo.shop import Connection, shop
from runtime.demo.sms import admit

SOON = Retry(first_delay=0.05, max_delay=1.0)  # for ever: databases and gateways come back

VAT = {"Austria": "0.20", "Belgium": "0.21", "Denmark": "0.25", "Finland": "0.24", "France": "0.20", "Germany": "0.19",
       "Ireland": "0.23", "Italy": "0.22", "Poland": "0.23", "Portugal": "0.23", "Spain": "0.21", "Sweden": "0.25",
       "UK": "0.20"}  # fmt: skip

_DISCONTINUED = "SELECT name FROM inventory WHERE product_id = ANY($1) AND discontinued ORDER BY product_id"
_LOCK = "SELECT 1 FROM inventory WHERE product_id = ANY($1) ORDER BY product_id FOR UPDATE"
_RESERVE = """
UPDATE inventory SET reserved = reserved + line.units
FROM unnest($1::integer[], $2::integer[]) AS line (product_id, units)
WHERE inventory.product_id = line.product_id
"""
_RESERVATION = """
INSERT INTO reservations (order_id, product_id, units)
SELECT $1, * FROM unnest($2::integer[], $3::integer[])
"""
_RELEASE = """
UPDATE inventory SET reserved = reserved - line.units
FROM reservations AS line WHERE line.order_id = $1 AND inventory.product_id = line.product_id
"""
_RESERVED = "SELECT product_id FROM reservations WHERE order_id = $1"
_FORGET = "DELETE FROM reservations WHERE order_id = $1"
_INVOICE = "INSERT INTO invoices (order_id, goods, tax) VALUES ($1, $2, $3) RETURNING number"
_NOTIFY = "INSERT INTO notifications (order_id, kind, address, message) VALUES ($1, $2, $3, $4)"


class Invoice(Struct, frozen=True):
    """What was billed, in US dollars."""

    number: int
    goods: Decimal
    tax: Decimal


@task(queue="shop", retry=SOON, timeout=10)
async def validate_order(lines: tuple[Line, ...]) -> list[str]:
    """Say what is wrong with an order; nothing when it can be filled."""
    async with shop().transaction() as connection:
        rows = await connection.fetch(_DISCONTINUED, [line.product_id for line in lines])
    return [f"{row['name']} is discontinued" for row in rows]


@task(queue="shop", retry=SOON, timeout=10)
async def reserve_inventory(order_id: int, lines: tuple[Line, ...]) -> int:
    """Set the units aside; gives how many."""
    products, units = [line.product_id for line in lines], [line.quantity for line in lines]

    async def effect(connection: Connection) -> int:
        await connection.execute(_LOCK, products)  # in one order for all, so that no two wait for each other
        await connection.execute(_RESERVE, products, units)
        await connection.execute(_RESERVATION, order_id, products, units)
        return sum(units)

    return await shop().once("reserve", order_id, effect, int)


@task(queue="shop", retry=SOON, timeout=10)
async def release_inventory(order_id: int) -> None:
    """Give back what was set aside for an order that will not be shipped."""

    async def effect(connection: Connection) -> None:
        await connection.execute(_LOCK, [row["product_id"] for row in await connection.fetch(_RESERVED, order_id)])
        await connection.execute(_RELEASE, order_id)
        await connection.execute(_FORGET, order_id)

    await shop().once("release", order_id, effect, type(None))


@task(local=True)
async def calculate_tax(country: str, lines: tuple[Line, ...]) -> Decimal:
    """Work out the value added tax: short and pure, so it runs inside the node."""
    return (goods_value(lines) * Decimal(VAT.get(country, "0"))).quantize(CENT, ROUND_HALF_UP)


@task(queue="shop", retry=SOON, timeout=10)
async def generate_invoice(order_id: int, lines: tuple[Line, ...], tax: Decimal) -> Invoice:
    """Write the invoice; it gets the next number."""

    async def effect(connection: Connection) -> Invoice:
        goods = goods_value(lines)
        return Invoice(await connection.fetchval(_INVOICE, order_id, goods, tax), goods, tax)

    return await shop().once("invoice", order_id, effect, Invoice)


@task(queue="messages", retry=SOON, timeout=10)
async def send_order_confirmed_sms(order_id: int, phone: str) -> None:
    """Tell the customer that the order is on its way to the warehouse."""
    context = task_context()
    admit(context.key, context.attempt)

    async def effect(connection: Connection) -> None:
        await connection.execute(_NOTIFY, order_id, "confirmed", phone, f"Order {order_id} is confirmed.")

    await shop().once("confirm", order_id, effect, type(None))


@task(queue="messages", retry=SOON, timeout=10)
async def send_error_response(order_id: int, customer: Customer, problems: list[str]) -> None:
    """Tell the customer why the order was refused."""
    await _notify(order_id, "refused", customer.company, f"Order {order_id} was refused: {'; '.join(problems)}.")


@task(queue="messages", retry=SOON, timeout=10)
async def notify_customer(order_id: int, customer: Customer, invoice: Invoice, tracking: str) -> None:
    """Tell the customer that the order was shipped."""
    message = f"Order {order_id} was shipped ({tracking}); invoice {invoice.number}: ${invoice.goods + invoice.tax}."
    await _notify(order_id, "fulfilled", customer.company, message)


async def _notify(order_id: int, kind: str, address: str, message: str) -> None:
    async def effect(connection: Connection) -> None:
        await connection.execute(_NOTIFY, order_id, kind, address, message)

    await shop().once(f"notify {kind}", order_id, effect, type(None))
