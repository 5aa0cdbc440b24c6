"""The workflow: the life of one order, from its arrival to the parcel at the customer's door."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from msgspec import Struct

from actors import Failure, Rejected, Workflow, command, query
from runtime.demo.orders import Order
from runtime.demo.tasks import (
    calculate_tax,
    generate_invoice,
    notify_customer,
    release_inventory,
    reserve_inventory,
    send_error_response,
    send_order_confirmed_sms,
    validate_order,
)

THIRTY_DAYS = 30 * 86_400


class OrderRejected(Failure):
    """The order can't be filled; the message says why."""


class NeverShipped(Failure):
    """The warehouse did not ship in time."""


class Receipt(Struct, frozen=True):
    """What a fulfilled order ends with; money in US dollars."""

    order_id: int
    invoice: int
    goods: Decimal
    tax: Decimal
    units: int
    tracking: str


class ProcessOrder(Workflow):
    """An order is validated, reserved, invoiced, confirmed, shipped by the warehouse, and done."""

    def __init__(self) -> None:
        self.step = "received"
        self.tracking: str | None = None

    async def run(self, order: Order) -> Receipt:
        """Take an order to its end."""
        customer = order.customer
        self.step = "validating"
        if problems := await validate_order(order.lines):
            self.step = "refused"
            await send_error_response(order.order_id, customer, problems)
            raise OrderRejected("; ".join(problems), details=problems)

        self.step = "reserving"
        units, tax = await asyncio.gather(
            reserve_inventory(order.order_id, order.lines), calculate_tax(customer.country, order.lines)
        )
        self.step = "invoicing"
        invoice = await generate_invoice(order.order_id, order.lines, tax)
        await send_order_confirmed_sms(order.order_id, customer.phone or "")

        self.step = "waiting for the warehouse"
        tracking = await self._shipped(order.order_id)
        self.step = "notifying"
        await notify_customer(order.order_id, customer, invoice, tracking)
        self.step = "fulfilled"
        return Receipt(order.order_id, invoice.number, invoice.goods, invoice.tax, units, tracking)

    async def _shipped(self, order_id: int) -> str:
        try:
            async with asyncio.timeout(THIRTY_DAYS):  # a durable timer: a row in the database, no memory
                await self.until(lambda: self.tracking)
        except TimeoutError:
            await release_inventory(order_id)
            raise NeverShipped(f"order {order_id} was not shipped within 30 days") from None
        return self.tracking or ""

    @command
    def fulfil(self, tracking: str) -> None:
        """Say that the parcel has left the warehouse."""
        if self.tracking not in (None, tracking):
            raise Rejected(f"shipped already, as {self.tracking}")
        self.tracking = tracking

    @query
    def status(self) -> dict[str, str | None]:
        """Say where the order is."""
        return {"step": self.step, "tracking": self.tracking}
