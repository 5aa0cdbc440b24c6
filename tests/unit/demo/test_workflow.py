"""The order's workflow, on a clock that jumps: no servers, and nothing of the shop's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from actors import RunFailed
from actors.testing import CommandFailed, Instance, WorkflowTest, crash_everywhere, in_turn
from runtime.demo import app
from runtime.demo.orders import all_orders
from runtime.demo.tasks import Invoice
from runtime.demo.workflow import ProcessOrder, Receipt

INVOICE = Invoice(1001, Decimal("1863.40"), Decimal("354.05"))
RECEIPT = Receipt(10249, 1001, INVOICE.goods, INVOICE.tax, 49, "NW-1")
TASKS: dict[Any, Any] = {
    "validate_order": [],
    "calculate_tax": Decimal("7.00"),
    "reserve_inventory": 49,
    "generate_invoice": INVOICE,
    "send_order_confirmed_sms": None,
    "notify_customer": None,
    "release_inventory": None,
    "send_error_response": None,
}


def started(run: WorkflowTest) -> Instance:
    """Start the second order of all."""
    return run.start(ProcessOrder, "10249", all_orders()[1])


def names(run: WorkflowTest) -> list[str]:
    return [call.task for call in run.calls()]


def test_an_order_with_problems_is_answered_and_fails() -> None:
    """A discontinued product refuses the order, and the customer hears of it first."""
    run = WorkflowTest(app, tasks={**TASKS, "validate_order": ["Tofu is discontinued"]})
    with pytest.raises(RunFailed, match="OrderRejected: Tofu is discontinued"):
        started(run).result()
    assert names(run) == ["validate_order", "send_error_response"]


def test_inventory_and_tax_are_asked_for_together() -> None:
    """One is a worker's task, the other is local."""
    run = WorkflowTest(app, tasks=TASKS)
    events = started(run).events
    assert [event.title() for event in events[3:5]] == [
        "TaskScheduled(#2 reserve_inventory)",
        "TaskCompleted(#2)",
    ]
    assert "TaskCompleted(#3 calculate_tax)" in [event.title() for event in events]


def test_the_order_ends_when_the_warehouse_has_shipped() -> None:
    """The command ends the wait, and the receipt holds what the tasks gave."""
    run = WorkflowTest(app, tasks=TASKS)
    order = started(run)
    assert order.query("status") == {"step": "waiting for the warehouse", "tracking": None}
    order.call("fulfil", "NW-1")
    assert order.result() == RECEIPT
    assert names(run)[-1] == "notify_customer"


def test_an_order_that_is_never_shipped_gives_its_units_back() -> None:
    """After thirty days the reservation is released, and the order fails with a declared failure."""
    run = WorkflowTest(app, tasks=TASKS)
    with pytest.raises(RunFailed, match="NeverShipped"):
        started(run).result()
    assert names(run)[-1] == "release_inventory"


def test_another_tracking_number_is_rejected() -> None:
    """The first one stands; the same one again is taken."""

    async def full(**_: Any) -> None:
        raise ConnectionError("the customer's mailbox is full")

    order = started(WorkflowTest(app, tasks={**TASKS, "notify_customer": full}))
    order.call("fulfil", "NW-1")
    order.call("fulfil", "NW-1")
    with pytest.raises(CommandFailed, match="shipped already, as NW-1"):
        order.call("fulfil", "NW-2")


def test_nobody_notices_a_crash() -> None:
    """Wherever nodes and workers die: the same receipt, the same tasks; and all of it survives JSON."""

    def shipped(run: WorkflowTest) -> Any:
        order = started(run)
        run.advance(days=7)
        order.call("fulfil", "NW-1")
        return order.result()

    def never_shipped(run: WorkflowTest) -> str:
        with pytest.raises(RunFailed) as caught:
            started(run).result()
        return caught.value.type

    tasks = {**TASKS, "send_order_confirmed_sms": in_turn(ConnectionError("the gateway is down"), None)}
    assert crash_everywhere(app, shipped, tasks=tasks, check_json=True) > 20
    assert crash_everywhere(app, never_shipped, tasks=tasks, check_json=True) > 20
