"""The same story with a crash at every step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actors import App, task_context
from actors.testing import MODES, EndsOtherwise, Faults, StoryFailed, WorkflowTest, crash_everywhere, in_turn
from tests.unit.testing import flawed
from tests.unit.testing.flawed import Counting, Forgetful, Paying, Wavering, book, other
from tests.unit.testing.shop import PAID, Basket, Catalogue, Order, Stock, app, catalogue, charge, price, tax


@pytest.fixture(autouse=True)
def _untouched() -> Iterator[None]:
    flawed.HITS.clear()
    yield
    flawed.HITS.clear()


def story(run: WorkflowTest) -> list[Any]:
    """Children, commands that wait, timers, local tasks, an actor, retries."""
    basket = run.start(Basket, "5", "ada", [100, 200])
    run.advance(days=1)
    run.get(Order, "5-1").call("ship_later", "T-1", days=2)
    run.get(Order, "5-2").call("ship", "T-2")
    stock = run.get(Stock, "tea")
    stock.call("add", 10)
    return [basket.result(), stock.call("take", 3), run.now]


def test_nobody_notices_a_crash() -> None:
    """A story with everything in it ends the same, wherever nodes and workers die."""
    tasks = {**PAID, charge: in_turn(OSError("down"), "p1", OSError("down"), "p2")}
    told = crash_everywhere(app, story, tasks=tasks)
    run = WorkflowTest(app, tasks=tasks)
    story(run)
    assert len(run.steps) > 15
    assert told == 2 + 2 * len(run.steps) + len(run.attempts) + len(MODES)


@pytest.mark.parametrize("faults", MODES.values(), ids=MODES)
def test_one_mode(faults: Faults) -> None:
    """The modes can be had one by one."""
    assert story(WorkflowTest(app, tasks=PAID, faults=faults)) == story(WorkflowTest(app, tasks=PAID))


def test_each_crash_takes_place() -> None:
    """The activation is really dropped: its local task runs again, and so does a task whose worker died."""

    def calls(faults: Faults) -> list[str]:
        run = WorkflowTest(app, tasks=PAID, faults=faults)
        run.start(Order, "1", "ada", 100)
        return [call.task for call in run.calls()]

    assert calls(Faults()) == ["charge", "tax"]
    assert calls(Faults(crash_after=2)) == ["charge", "tax", "tax"]
    assert calls(Faults(crash_before=3)) == ["charge", "tax", "tax"]
    assert calls(Faults(rerun=1)) == ["charge", "charge", "tax"]
    assert calls(Faults(twice=True)) == ["charge", "charge", "tax"]


def test_a_task_that_does_it_again() -> None:
    """Planted: a function that books without looking at its key. One that looks passes."""

    def pays(careful: bool) -> int:
        def told(run: WorkflowTest) -> list[tuple[str, int]]:
            booked: list[tuple[str, int]] = []

            def booking(cents: int) -> None:
                entry = (task_context().key, cents)
                if not careful or entry not in booked:
                    booked.append(entry)

            run.task(book, booking)
            run.start(Paying, "1", 500).result()
            return booked

        return crash_everywhere([Paying], told, tasks={book: None})

    with pytest.raises(EndsOtherwise) as caught:
        pays(careful=False)
    assert str(caught.value) == (
        "when the worker dies after it ran Paying/1#1: book, attempt 1, which runs again, the story ends otherwise "
        "(expected: without a fault)\n"
        "  what the story returns: expected 1 items, was 2: [('Paying/1#1', 500)] and [('Paying/1#1', 500), ('Paying/1#1', 500)]"
    )
    assert pays(careful=True) > 5


def test_code_that_wavers() -> None:
    """Planted: a workflow that asks for something else in a replay. The message has what was recorded, and what it wants."""

    def told(run: WorkflowTest) -> None:
        flawed.HITS.clear()
        run.start(Wavering, "1", 500).result()

    with pytest.raises(EndsOtherwise) as caught:
        crash_everywhere([Wavering], told, tasks={book: None, other: None})
    assert "when the node dies before step 1 (Wavering/1: RunStarted) is durable" in str(caught.value)

    def only_late(run: WorkflowTest) -> None:
        run.task(book, None)
        run.start(Wavering, "1", 500).result()

    run = WorkflowTest(Wavering, tasks={book: None, other: None}, faults=Faults(crash_after=1))
    flawed.HITS.clear()
    with pytest.raises(
        StoryFailed,
        match=r"was rebuilt from its journal: Nondeterminism: .*TaskScheduled\(#1 book\).*TaskScheduled\(#1 other\)",
    ):
        only_late(run)


def test_a_handler_that_counts_in_the_world() -> None:
    """Planted: a command handler with an effect of its own, which every replay repeats."""

    def told(run: WorkflowTest) -> int:
        flawed.HITS.clear()
        counting = run.start(Counting, "1")
        counting.call("hit")
        count: int = counting.result()
        return count

    with pytest.raises(
        EndsOtherwise, match=r"step 2 \(Counting/1: command hit\).*\n  what the story returns: expected 1, was 2"
    ):
        crash_everywhere(App(actors=[Counting]), told)


def test_a_state_that_no_event_holds() -> None:
    """Planted: an actor's command that changes the state by itself."""

    def told(run: WorkflowTest) -> int:
        actor = run.get(Forgetful, "1")
        actor.call("count")
        total: int = actor.call("count")
        return total

    with pytest.raises(EndsOtherwise, match=r"step 1 \(Forgetful/1: command count\)"):
        crash_everywhere(Forgetful, told)


def test_the_tests_own_mistakes() -> None:
    """A story that differs from time to time, one that fails only under a fault, one in which nothing happens."""
    seen: list[int] = []

    def differs(run: WorkflowTest) -> int:
        seen.append(1)
        run.start(Paying, "1", 500)
        return len(seen)

    def fails(run: WorkflowTest) -> None:
        run.start(Paying, "1", 500)
        if len(run.calls()) != 1:
            pytest.fail("called twice")

    with pytest.raises(EndsOtherwise, match="told again without any fault, the story ends otherwise"):
        crash_everywhere(Paying, differs, tasks={book: None})
    with pytest.raises(
        EndsOtherwise, match=r"ran Paying/1#1: book, attempt 1, which runs again, the story fails: .*called twice"
    ):
        crash_everywhere(Paying, fails, tasks={book: None})
    with pytest.raises(StoryFailed, match="no durable step"):
        crash_everywhere(Paying, lambda _: None, tasks={book: None})
    with pytest.raises(ZeroDivisionError):
        crash_everywhere(Paying, lambda _: 1 // 0, tasks={book: None})


def test_local_tasks_run_again_with_their_key() -> None:
    """A local task is known to the node's memory only, so a crash runs it again."""
    keys: list[str] = []

    def noted(cents: int) -> int:
        keys.append(task_context().key)
        return cents

    run = WorkflowTest(app, tasks={**PAID, tax: noted}, faults=Faults(crash_before=3))
    run.start(Order, "1", "ada", 100)
    assert keys == ["Order/1#2", "Order/1#2"]


def test_a_map_over_many_items() -> None:
    """Each item has its key and its retries."""
    tasks = {price: in_turn(*[OSError("down")] * 3, *range(40))}
    assert crash_everywhere(catalogue, lambda run: run.start(Catalogue, "1", 25).result(), tasks=tasks) > 60
