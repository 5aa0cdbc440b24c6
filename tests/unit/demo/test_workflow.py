"""The order's workflow, driven by hand: no servers, no clock."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import Raw

from actors.definition import WorkflowType
from actors.execution import Execution
from runtime.demo import app
from runtime.demo.orders import all_orders
from runtime.demo.workflow import THIRTY_DAYS

KIND = app.type("ProcessOrder")


@pytest.fixture
def execution() -> Iterator[Execution]:
    """An order that was just started."""
    assert isinstance(KIND, WorkflowType)
    made = Execution(KIND, "ProcessOrder/10249")
    made.start(Raw(msgspec.json.encode({"order": all_orders()[1]})), None, 0.0)
    yield made
    made.dispose()


def _until_it_waits(execution: Execution) -> None:
    execution.task_completed(1, Raw(b"[]"), 1.0)
    execution.task_completed(3, Raw(b'"7.00"'), 2.0, local="calculate_tax")
    execution.task_completed(2, Raw(b"49"), 3.0)
    execution.task_completed(4, Raw(b'{"number":1001,"goods":"1863.40","tax":"354.05"}'), 4.0)
    execution.task_completed(5, Raw(b"null"), 5.0)


def test_an_order_with_problems_is_answered_and_fails(execution: Execution) -> None:
    """A discontinued product refuses the order, and the customer hears of it first."""
    turn = execution.task_completed(1, Raw(b'["Tofu is discontinued"]'), 1.0)
    assert [task.name for task in turn.tasks] == ["send_error_response"]
    finished = execution.task_completed(2, Raw(b"null"), 2.0).finished
    assert finished is not None
    assert finished.error is not None
    assert (finished.error.type, finished.error.message) == ("OrderRejected", "Tofu is discontinued")


def test_inventory_and_tax_are_asked_for_together(execution: Execution) -> None:
    """One is a worker's task, the other is local."""
    turn = execution.task_completed(1, Raw(b"[]"), 1.0)
    assert [task.name for task in turn.tasks] == ["reserve_inventory"]
    assert [call.name for call in turn.local_calls] == ["calculate_tax"]


def test_the_order_ends_when_the_warehouse_has_shipped(execution: Execution) -> None:
    """The command ends the wait, and the receipt holds what the tasks gave."""
    _until_it_waits(execution)
    turn = execution.command("shipment", "fulfil", Raw(b'{"tracking":"NW-1"}'), 6.0)
    assert [task.name for task in turn.tasks] == ["notify_customer"]
    finished = execution.task_completed(7, Raw(b"null"), 7.0).finished
    assert finished is not None
    assert msgspec.json.decode(finished.result or b"") == {
        "order_id": 10249, "invoice": 1001, "goods": "1863.40", "tax": "354.05", "units": 49, "tracking": "NW-1",
    }  # fmt: skip


def test_an_order_that_is_never_shipped_gives_its_units_back(execution: Execution) -> None:
    """After thirty days the reservation is released, and the order fails with a declared failure."""
    _until_it_waits(execution)
    turn = execution.timer_fired(6, 5.0 + THIRTY_DAYS)
    assert [task.name for task in turn.tasks] == ["release_inventory"]
    finished = execution.task_completed(7, Raw(b"null"), 6.0 + THIRTY_DAYS).finished
    assert finished is not None
    assert finished.error is not None
    assert finished.error.type == "NeverShipped"


def test_another_tracking_number_is_rejected(execution: Execution) -> None:
    """The first one stands; the same one again is taken."""
    execution.command("first", "fulfil", Raw(b'{"tracking":"NW-1"}'), 0.5)
    again = execution.command("again", "fulfil", Raw(b'{"tracking":"NW-1"}'), 0.6)
    other = execution.command("other", "fulfil", Raw(b'{"tracking":"NW-2"}'), 0.7)
    assert again.answers[0].outcome.error is None
    assert other.answers[0].outcome.error is not None
