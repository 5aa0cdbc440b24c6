"""Workflows and actors in a test, on a clock that jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from actors import ChildTimedOut, DefinitionError, InvalidArguments, RunFailed, RunTimedOut, UnknownName, Workflow
from actors.testing import (
    CommandFailed,
    CommandRefused,
    InstanceStuck,
    NoEnd,
    NothingHappens,
    WorkflowTest,
    world,
)
from tests.unit.testing.shop import (
    DAY,
    PAID,
    Added,
    Basket,
    Broken,
    Order,
    Shelf,
    Stock,
    Ticks,
    Waits,
    app,
    charge,
    write_to,
)

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def paid() -> WorkflowTest:
    return WorkflowTest(app, tasks=PAID)


def test_a_workflow_from_start_to_result() -> None:
    """Tasks, a query, a command and the result, in the words of a client."""
    run = paid()
    order = run.start(Order, "1", "ada", cents=500)
    assert (order.status, order.query("status")) == ("running", "waiting")
    assert order.attributes == {"customer": "ada", "cents": 500}
    order.call("ship", "T-7")
    assert (order.result(), order.status) == ("payment-1", "completed")
    assert order.query("status") == "shipped as T-7"
    assert [call.args["text"] for call in run.calls(write_to)] == ["shipped as T-7 at 01-01"]
    assert run.now == NEW_YEAR


def test_time_passes_for_who_waits() -> None:
    """Thirty days take no time, and the workflow sees them."""
    run = paid()
    order = run.start(Order, "1", "ada", 500)
    with pytest.raises(RunFailed, match="NeverShipped: order 1"):
        order.result()
    assert run.now == NEW_YEAR + timedelta(days=30)
    assert order.status == "failed"


def test_time_passes_when_the_test_says_so() -> None:
    """Only as far as it says, and what is due happens on the way."""
    run = paid()
    order = run.start(Order, "1", "ada", 500)
    run.advance(days=29, hours=23)
    assert order.status == "running"
    run.advance(hours=1)
    assert (order.status, run.now) == ("failed", NEW_YEAR + timedelta(days=30))


def test_a_command_that_waits() -> None:
    """`call` waits for its answer, `send` does not."""
    run = paid()
    order = run.start(Order, "1", "ada", 500)
    assert order.call("ship_later", "T-1", days=3) == "T-1"
    assert run.calls(write_to)[0].at == NEW_YEAR + timedelta(days=3)
    other = run.start(Order, "2", "ada", 500)
    sent = other.send("ship_later", "T-2", days=4)
    assert run.now == NEW_YEAR + timedelta(days=3)
    assert other.answer("ship_later", sent) == "T-2"


def test_a_condition_of_the_test() -> None:
    """Time passes until it holds; when nothing is left to happen, that is said."""
    run = paid()
    order = run.start(Order, "1", "ada", 500)
    order.send("ship_later", "T-1", days=3)
    run.until(lambda: order.query("status") == "shipped as T-1")
    assert run.now == NEW_YEAR + timedelta(days=3)
    run.start(Waits, "1")
    with pytest.raises(NothingHappens, match="Waits/1 waits for a condition"):
        run.until(lambda: order.query("status") == "lost")


def test_children_run_too() -> None:
    """They are instances to talk to, and their results come to the parent."""
    run = paid()
    basket = run.start(Basket, "5", "ada", [100, 200])
    assert [one.stream for one in run.instances()] == ["Basket/5", "Order/5-1", "Order/5-2"]
    assert basket.waiting_for() == "child #1 Order/5-1, child #2 Order/5-2"
    run.get(Order, "5-2").call("ship", "T-2")
    run.get(Order, "5-1").call("ship", "T-1")
    assert basket.result() == ["payment-1", "payment-1"]


def test_a_child_whose_id_is_taken() -> None:
    """The parent hears of the conflict, as on a node."""
    run = paid()
    run.start(Order, "5-1", "eve", 1)
    with pytest.raises(RunFailed, match="Conflict"):
        run.start(Basket, "5", "ada", [100]).result()


def test_actors() -> None:
    """Commands, queries, events and the state."""
    stock = paid().get(Stock, "tea")
    assert stock.status == "new"
    assert stock.call("add", 10) == 10
    with pytest.raises(CommandFailed, match="only 10 left") as caught:
        stock.call("take", 11)
    assert (caught.value.type, caught.value.details) == ("Rejected", {"left": 10})
    assert stock.call("take", 3) == 7
    assert stock.query("units") == 7
    assert (stock.events, stock.state, stock.status) == ([Added(10), Added(-3)], Shelf(7), "active")
    with pytest.raises(DefinitionError, match="has no result"):
        stock.result()
    with pytest.raises(DefinitionError, match="not started"):
        stock.start()


def test_a_command_id_counts_once() -> None:
    """The first answer is given again; other input is a conflict."""
    run = paid()
    stock = run.get("Stock", "tea")
    assert [stock.call("add", 10, command_id="d1") for _ in "ab"] == [10, 10]
    with pytest.raises(CommandFailed) as caught:
        stock.call("take", 99, command_id="d2")
    assert caught.value.type == "Rejected"
    stock.call("add", 99)
    with pytest.raises(CommandFailed, match="only 10"):
        stock.call("take", 99, command_id="d2")


def test_starting_twice() -> None:
    """The same start finds the instance; another one is refused."""
    run = paid()
    order = run.start(Order, "1", "ada", 500)
    assert run.start(Order, "1", customer="ada", cents=500).events == order.events
    with pytest.raises(CommandRefused, match="started with other input") as caught:
        run.start(Order, "1", "ada", 501)
    assert caught.value.type == "Conflict"


def test_commands_that_cannot_be_taken() -> None:
    """As a client would hear it."""
    run = paid()
    with pytest.raises(CommandRefused, match="start it first"):
        run.get(Order, "1").call("ship", "T-1")
    order = run.start(Order, "1", "ada", 500)
    order.call("ship", "T-1")
    with pytest.raises(CommandRefused, match="takes no more commands") as caught:
        order.call("ship", "T-1")
    assert caught.value.type == "AlreadyFinished"
    with pytest.raises(UnknownName, match="shipp"):
        order.call("shipp")
    with pytest.raises(InvalidArguments):
        order.call("ship", 7)
    with pytest.raises(CommandFailed, match="Rejected: no"):
        order.query("refuses")
    with pytest.raises(UnknownName):
        run.get("Ordr", "1")


def test_a_mistake_fails_the_test_with_its_own_traceback() -> None:
    """The cause is the workflow's own exception, with the line where it was raised."""
    run = paid()
    with pytest.raises(InstanceStuck, match=r"Broken/1 is stuck.*IndexError") as caught:
        run.start(Broken, "1", [1, 2])
    cause = caught.value.__cause__
    assert isinstance(cause, IndexError)
    trace = cause.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    assert trace.tb_frame.f_code.co_qualname == "Broken.run"
    with pytest.raises(InstanceStuck, match="command fail raised KeyError") as caught:
        run.get(Stock, "tea").call("fail")
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for nothing, and going on for ever, are told apart."""
    run = paid()
    with pytest.raises(NothingHappens, match="Waits/1 waits for a condition"):
        run.start(Waits, "1").result()
    monkeypatch.setattr(world, "MOST_MESSAGES", 1000)
    with pytest.raises(NoEnd, match="it goes on"):
        run.start(Ticks, "1").result()


def test_classes_instead_of_an_app() -> None:
    """The tasks are those that the test names."""
    run = WorkflowTest(Order, tasks=PAID)
    assert run.start(Order, "1", "ada", 1).status == "running"
    with pytest.raises(UnknownName, match="nobody"):
        WorkflowTest(app, tasks={"nobody": 1})
    with pytest.raises(DefinitionError, match="no time zone"):
        WorkflowTest(app, at=datetime(2026, 1, 1))  # noqa: DTZ001 - on purpose


def test_logs_and_steps() -> None:
    """What was logged, once; where a node could have died."""
    run = paid()
    run.start(Order, "1", "ada", 500).call("ship", "T-7")
    assert run.logs == ["Order/1 info paid tax=100"]
    assert run.steps == [
        "Order/1: RunStarted",
        "Order/1: TaskCompleted(#1)",
        "Order/1: TaskCompleted(#2 tax)",
        "Order/1: command ship",
        "Order/1: TaskCompleted(#4)",
    ]


async def test_inside_a_running_loop() -> None:
    """An async test may use it as it is; the task's function runs on a loop of its own."""
    run = WorkflowTest(app, tasks={**PAID, charge: charge})
    order = run.start(Order, "1", "ada", 500)
    order.call("ship", "T-7")
    assert order.result() == "charge Order/1#1 of 500"


def test_dates_begin_where_the_test_says() -> None:
    """For code that looks at the calendar."""
    run = WorkflowTest(app, tasks=PAID, at=datetime(2031, 5, 6, tzinfo=UTC))
    run.start(Order, "1", "ada", 500).call("ship", "T-7")
    assert run.calls(write_to)[0].args["text"] == "shipped as T-7 at 05-06"
    run.advance(DAY)
    assert run.now == datetime(2031, 5, 7, tzinfo=UTC)


def test_the_options_of_a_start() -> None:
    """Search attributes, and a timeout that ends the instance."""
    run = paid()
    waits = run.start(Waits, "1", search_attributes={"sort": "idle"}, run_timeout=60)
    assert waits.attributes == {"sort": "idle"}
    with pytest.raises(RunTimedOut):
        waits.result()
    assert (waits.status, run.now - NEW_YEAR) == ("timed_out", timedelta(seconds=60))


class Hurried(Workflow):
    async def run(self) -> str:
        try:
            await self.execute(Waits, "1", run_timeout=60)
        except ChildTimedOut as late:
            return late.type
        return "in time"


def test_a_child_with_a_timeout_of_its_own() -> None:
    """It is ended when its parent said, and the parent hears so."""
    run = WorkflowTest(Hurried, Waits)
    assert run.start(Hurried, "1").result() == "ChildTimedOut"
    assert run.now - NEW_YEAR == timedelta(seconds=60)
