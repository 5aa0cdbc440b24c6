"""What travels must come back from JSON as it is; if not, the message names the type and the field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import Struct

from actors.testing import NotPreserved, WorkflowTest, assert_survives_json, crash_everywhere, scenario
from tests.unit.testing.bank import Account, Deposited
from tests.unit.testing.flawed import Counted, Customer, Forgetful, GoldCustomer, Greeting, Tuples, greet
from tests.unit.testing.shop import PAID, app
from tests.unit.testing.test_crash_everywhere import story


class Price(Struct):
    amount: float
    parts: Any = None


def test_single_values() -> None:
    """By their own class, or by the annotation under which they travel."""
    assert_survives_json(Price(1.5, {"a": [1, None]}))
    assert_survives_json([Customer("ada")], list[Customer])
    with pytest.raises(NotPreserved, match=r"^Price.amount is int, and would become float$"):
        assert_survives_json(Price(1))
    with pytest.raises(NotPreserved, match=r"^Price.parts\[…\] is tuple, and would become list$"):
        assert_survives_json(Price(1.5, {"a": (1, 2)}))
    with pytest.raises(NotPreserved, match=r"^GoldCustomer is GoldCustomer, and would become Customer$"):
        assert_survives_json(GoldCustomer("ada"), Customer)
    with pytest.raises(NotPreserved, match=r"^Price does not survive JSON: .*NaN"):
        assert_survives_json(Price(float("nan")))
    with pytest.raises(NotPreserved, match=r"^object does not survive JSON"):
        assert_survives_json(object())


def test_values_are_not_shown() -> None:
    """They may be secrets; the path and the types are enough."""
    with pytest.raises(NotPreserved) as caught:
        assert_survives_json(Price(1.5, ("secret", 1)))
    assert "secret" not in str(caught.value)


def test_all_of_a_good_story() -> None:
    """Nothing is found where types are kept, also not with crashes."""
    assert crash_everywhere(app, story, tasks=PAID, check_json=True) > 30
    scenario(Account, check_json=True).given(Deposited(Decimal(5))).when("withdraw", Decimal(3)).then(
        *scenario(Account).given(Deposited(Decimal(5))).when("withdraw", Decimal(3)).events[1:], answers=2
    )


def test_arguments_of_a_task() -> None:
    """What workflow code gives and what the worker gets."""
    run = WorkflowTest(Greeting, tasks={greet: {}}, check_json=True)
    with pytest.raises(NotPreserved) as caught:
        run.start(Greeting, "1", gold=True, factor=1.5)
    assert str(caught.value) == "task greet: argument customer is GoldCustomer, and would become Customer"


def test_arguments_from_the_test() -> None:
    """Of a start, and of a command."""
    run = WorkflowTest(Greeting, Forgetful, tasks={greet: {}}, check_json=True)
    with pytest.raises(NotPreserved, match=r"Greeting.run: argument factor is int, and would become float"):
        run.start(Greeting, "1", gold=False, factor=2)
    with pytest.raises(NotPreserved, match=r"Forgetful.count: argument what\[…\] is tuple, and would become list"):
        run.get(Forgetful, "1").call("count", [(1, 2)])


def test_results() -> None:
    """Of a task and of a run."""
    run = WorkflowTest(Greeting, tasks={greet: {"a": (1,)}}, check_json=True)
    with pytest.raises(NotPreserved, match=r"task greet: its result\[…\] is tuple, and would become list"):
        run.start(Greeting, "1", gold=False, factor=2.0)


def test_events_and_state() -> None:
    """Of an actor, in a run and in a scenario."""
    run = WorkflowTest(Forgetful, Tuples, check_json=True)
    with pytest.raises(NotPreserved, match=r"event Counted of Forgetful.what is tuple, and would become list"):
        run.get(Forgetful, "1").call("keep", "x")
    with pytest.raises(NotPreserved, match=r"state of Tuples/1: .*state.last is tuple, and would become list"):
        run.get(Tuples, "1").call("count")
    with pytest.raises(NotPreserved, match=r"event Counted of Forgetful.what is tuple, and would become list"):
        scenario(Forgetful, check_json=True).when("keep", "x")
    with pytest.raises(NotPreserved, match=r"event Counted of Forgetful.what is tuple"):
        scenario(Forgetful, check_json=True).given(Counted(1, (2,)))
    with pytest.raises(NotPreserved, match=r"state.last is tuple"):
        scenario(Tuples, check_json=True).when("count")


def test_nothing_stays_watched() -> None:
    """After a run the app's signatures are its own again, also when something was found."""
    before = greet.signature
    run = WorkflowTest(Greeting, tasks={greet: {}}, check_json=True)
    with pytest.raises(NotPreserved):
        run.start(Greeting, "1", gold=True, factor=1.5)
    assert greet.signature is before
    assert WorkflowTest(Greeting, tasks={greet: {}}).start(Greeting, "2", gold=True, factor=2).status == "completed"
