"""The Northwind sample data: 830 orders and 77 products, as they stand in `data/` (its NOTICE.md says whose they are)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")

CENT = Decimal("0.01")


class Line(Struct, frozen=True):
    """One product of an order. `discount` is a fraction."""

    product_id: int
    quantity: int
    unit_price: Decimal
    discount: Decimal

    @property
    def goods_value(self) -> Decimal:
        """The line's price in US dollars, rounded half-up to cents."""
        return (self.unit_price * self.quantity * (1 - self.discount)).quantize(CENT, ROUND_HALF_UP)


class Customer(Struct, frozen=True):
    """Who ordered."""

    customer_id: str
    company: str
    phone: str | None
    country: str


class Order(Struct, frozen=True):
    """What a customer ordered."""

    order_id: int
    customer: Customer
    lines: tuple[Line, ...]
    shipper: str


class Product(Struct, frozen=True):
    """What the shop sells, or once sold."""

    product_id: int
    name: str
    discontinued: bool
    units_in_stock: int


def goods_value(lines: Iterable[Line]) -> Decimal:
    """Add up the prices of lines, each rounded by itself."""
    return sum((line.goods_value for line in lines), Decimal(0))


@cache
def all_orders() -> tuple[Order, ...]:
    """Read the 830 orders, by number."""
    return _read("orders.jsonl", msgspec.json.Decoder(Order))


@cache
def all_products() -> tuple[Product, ...]:
    """Read the 77 products."""
    return _read("products.jsonl", msgspec.json.Decoder(Product))


def _read(name: str, decoder: msgspec.json.Decoder[T]) -> tuple[T, ...]:
    return tuple(decoder.decode_lines((files("runtime.demo") / "data" / name).read_bytes()))
