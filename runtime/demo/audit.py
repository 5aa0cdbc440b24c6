"""The verdict on a run: what the evidence says against what the order book asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from runtime.demo.evidence import Evidence
from runtime.demo.orders import Order, Product, goods_value

FULFILLED = Counter({"reservation": 1, "invoice": 1, "confirmed": 1, "shipment": 1, "fulfilled": 1})
REFUSED = Counter({"refused": 1})
MINIMUM_KILLS = 6


class Figures(Struct, frozen=True):
    """A run in numbers; `goods_value` in US dollars."""

    orders: int
    fulfilled: int
    refused: int
    invoices: int
    units: int
    goods_value: Decimal
    lost: int
    duplicated: int


class Verdict(Struct, frozen=True):
    """The figures found, those expected, and a sentence for everything that is off."""

    found: Figures
    expected: Figures
    faults: tuple[str, ...]


class OrderBook:
    """What has to come out, worked out from the orders alone."""

    def __init__(self, orders: Iterable[Order], products: Iterable[Product]) -> None:
        discontinued = {product.product_id for product in products if product.discontinued}
        self.orders = {order.order_id: order for order in orders}
        self.refused = {
            number
            for number, order in self.orders.items()
            if any(line.product_id in discontinued for line in order.lines)
        }
        self.fillable = self.orders.keys() - self.refused
        self.units = Counter[int]()
        for number in self.fillable:
            for line in self.orders[number].lines:
                self.units[line.product_id] += line.quantity

    def effects_of(self, order: int) -> Counter[str]:
        """Give the effects that an order must have had."""
        return REFUSED if order in self.refused else FULFILLED

    def figures(self) -> Figures:
        """Give the figures of a run in which nothing was lost and nothing done twice."""
        fillable = [self.orders[number] for number in self.fillable]
        return Figures(
            orders=len(self.orders),
            fulfilled=len(fillable),
            refused=len(self.refused),
            invoices=len(fillable),
            units=self.units.total(),
            goods_value=sum((goods_value(order.lines) for order in fillable), Decimal(0)),
            lost=0,
            duplicated=0,
        )


def judge(evidence: Evidence, book: OrderBook, kills: int) -> Verdict:
    """Compare the evidence with the order book."""
    lost = [number for number in book.orders if _is_lost(evidence, book, number)]
    found = Figures(
        orders=len(evidence.ends),
        fulfilled=sum("RunCompleted" in ends for ends in evidence.ends.values()),
        refused=sum("RunFailed" in ends for ends in evidence.ends.values()),
        invoices=sum(effects["invoice"] for effects in evidence.effects.values()),
        units=sum(stock.shipped for stock in evidence.stock.values()),
        goods_value=evidence.goods,
        lost=len(lost),
        duplicated=_duplicated(evidence),
    )
    expected = book.figures()
    return Verdict(found, expected, tuple(_faults(evidence, book, found, expected, lost, kills)))


def _is_lost(evidence: Evidence, book: OrderBook, number: int) -> bool:
    """Whether an order has no end, or lacks an effect that it must have had."""
    missing = book.effects_of(number) - evidence.effects.get(number, Counter())
    return not evidence.ends.get(number) or missing.total() > 0


def _duplicated(evidence: Evidence) -> int:
    """Count everything that happened again: effects, ends, commands and outcomes."""
    effects = sum(count - 1 for found in evidence.effects.values() for count in found.values())
    ends = sum(len(ends) - 1 for ends in evidence.ends.values() if ends)
    return effects + ends + evidence.repeated_commands + evidence.repeated_outcomes


def _faults(
    evidence: Evidence, book: OrderBook, found: Figures, expected: Figures, lost: list[int], kills: int
) -> Iterator[str]:
    for name in Figures.__struct_fields__:
        is_, should_be = getattr(found, name), getattr(expected, name)
        if is_ != should_be:
            yield f"{name}: {is_}, expected {should_be}"
    if lost:
        yield f"lost orders: {', '.join(map(str, sorted(lost)[:10]))}{' …' if len(lost) > 10 else ''}"
    yield from _effect_faults(evidence, book)
    yield from _stock_faults(evidence, book)
    if evidence.gaps:
        yield f"{evidence.gaps} streams have gaps in their versions"
    if evidence.epochs_back:
        yield f"{evidence.epochs_back} events were written under a lease that had ended"
    if kills < MINIMUM_KILLS:
        yield f"only {kills} processes were killed, at least {MINIMUM_KILLS} should be"


def _effect_faults(evidence: Evidence, book: OrderBook) -> Iterator[str]:
    for number, effects in sorted(evidence.effects.items()):
        if surplus := effects - book.effects_of(number):
            yield f"order {number} had more effects than it should: {dict(surplus)}"


def _stock_faults(evidence: Evidence, book: OrderBook) -> Iterator[str]:
    for product, stock in sorted(evidence.stock.items()):
        wanted = book.units[product]
        if not (stock.shipped == stock.promised == wanted and stock.reserved == 0):
            yield (
                f"product {product}: {wanted} units ordered, {stock.promised} promised, {stock.shipped} shipped, "
                f"{stock.reserved} still set aside"
            )
