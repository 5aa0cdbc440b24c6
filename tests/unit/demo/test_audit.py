"""The audit says that all is well when it is, and what is wrong when it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

from runtime.demo.audit import FULFILLED, REFUSED, OrderBook, judge
from runtime.demo.evidence import Evidence, Stock
from runtime.demo.orders import all_orders, all_products

BOOK = OrderBook(all_orders(), all_products())
SOME_FILLABLE = min(BOOK.fillable)
SOME_REFUSED = min(BOOK.refused)


@pytest.fixture
def evidence() -> Evidence:
    """What a run leaves behind in which nothing went wrong."""
    return Evidence(
        effects={number: Counter(BOOK.effects_of(number)) for number in BOOK.orders},
        stock={
            product.product_id: Stock(10**6, 0, BOOK.units[product.product_id], BOOK.units[product.product_id])
            for product in all_products()
        },
        goods=BOOK.figures().goods_value,
        told_twice=3,
        ends={number: ["RunFailed" if number in BOOK.refused else "RunCompleted"] for number in BOOK.orders},
        gaps=0,
        repeated_commands=0,
        repeated_outcomes=0,
        epochs_back=0,
        events=1,
        most_moved=SOME_FILLABLE,
    )


def test_the_order_book_asks_for_the_known_figures() -> None:
    """The figures that NOTICE.md states for the data."""
    figures = BOOK.figures()
    assert (figures.orders, figures.fulfilled, figures.refused, figures.invoices) == (830, 563, 267, 563)
    assert (figures.units, figures.goods_value) == (31345, Decimal("773898.54"))


def test_a_perfect_run_has_no_faults(evidence: Evidence) -> None:
    """What is found is what is expected."""
    verdict = judge(evidence, BOOK, kills=6)
    assert (verdict.faults, verdict.found) == ((), verdict.expected)


def an_order_without_an_end(evidence: Evidence) -> None:
    del evidence.ends[SOME_FILLABLE]


def a_notification_that_is_missing(evidence: Evidence) -> None:
    evidence.effects[SOME_REFUSED] -= Counter(REFUSED)


@pytest.mark.parametrize("damage", [an_order_without_an_end, a_notification_that_is_missing])
def test_what_is_missing_counts_as_lost(evidence: Evidence, damage: Callable[[Evidence], None]) -> None:
    """An order is lost without an end, and with an end but without one of its effects."""
    damage(evidence)
    verdict = judge(evidence, BOOK, kills=6)
    assert verdict.found.lost == 1
    assert any(fault.startswith("lost orders") for fault in verdict.faults)


def a_second_invoice(evidence: Evidence) -> None:
    evidence.effects[SOME_FILLABLE]["invoice"] += 1


def a_second_end(evidence: Evidence) -> None:
    evidence.ends[SOME_FILLABLE].append("RunCompleted")


def a_command_taken_twice(evidence: Evidence) -> None:
    evidence.repeated_commands = 1


def a_task_with_two_outcomes(evidence: Evidence) -> None:
    evidence.repeated_outcomes = 1


@pytest.mark.parametrize("damage", [a_second_invoice, a_second_end, a_command_taken_twice, a_task_with_two_outcomes])
def test_what_happened_again_counts_as_duplicated(evidence: Evidence, damage: Callable[[Evidence], None]) -> None:
    """Every sort of repetition is counted, and is a fault."""
    damage(evidence)
    verdict = judge(evidence, BOOK, kills=6)
    assert verdict.found.duplicated == 1
    assert verdict.faults


def an_invoice_for_a_refused_order(evidence: Evidence) -> None:
    evidence.effects[SOME_REFUSED] = REFUSED + Counter({"invoice": 1})


def units_that_were_never_shipped(evidence: Evidence) -> None:
    evidence.stock[14] = Stock(10**6, 5, BOOK.units[14] - 5, BOOK.units[14])


def goods_that_nobody_ordered(evidence: Evidence) -> None:
    evidence.goods += Decimal("0.01")


def a_gap(evidence: Evidence) -> None:
    evidence.gaps = 1


def a_fenced_writer(evidence: Evidence) -> None:
    evidence.epochs_back = 1


@pytest.mark.parametrize(
    "damage",
    [an_invoice_for_a_refused_order, units_that_were_never_shipped, goods_that_nobody_ordered, a_gap, a_fenced_writer],
)
def test_everything_else_that_is_off_is_a_fault(evidence: Evidence, damage: Callable[[Evidence], None]) -> None:
    """The verdict names it."""
    damage(evidence)
    assert judge(evidence, BOOK, kills=6).faults


def test_too_few_kills_are_a_fault(evidence: Evidence) -> None:
    """A run in which nothing was disturbed proves nothing."""
    assert judge(evidence, BOOK, kills=5).faults == ("only 5 processes were killed, at least 6 should be",)


def test_the_effects_of_both_sorts_of_orders_differ() -> None:
    """A refused order is told so and nothing else."""
    assert not FULFILLED & REFUSED
