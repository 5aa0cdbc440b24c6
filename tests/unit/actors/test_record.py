"""`self.record`: a value that no replay could repeat is made once, and given again ever after."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from actors import App, Bug, DefinitionError, Nondeterminism, Rejected, Workflow, query
from tests.unit.actors.flows import ALL, double, note
from tests.unit.actors.stage import Stage

made: list[str] = []


@pytest.fixture(autouse=True)
def nothing_made() -> Iterator[None]:
    made.clear()
    yield
    made.clear()


def limit() -> Decimal:
    made.append("limit")
    return Decimal("1.50") + len(made)


class Recording(Workflow, name="Order"):
    """Has values made before and after a task."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    async def run(self) -> list[Decimal]:
        self.values.append(self.record(limit))
        await double(1)
        self.values += [self.record(limit), self.record(limit)]
        await double(2)
        return self.values

    @query
    def wrong(self) -> int:
        return self.record(lambda: 1)


def recorded() -> Stage:
    stage = Stage(Recording, ALL)
    stage.start()
    stage.done(2, 2)
    return stage


def test_a_value_is_made_once_and_given_again_in_every_replay() -> None:
    """Before and after any number of restarts, as the type that its function gives."""
    stage = recorded()
    for _ in range(3):
        stage.reload()
    assert (stage.execution.state()["values"], len(made)) == (
        [Decimal("2.50"), Decimal("3.50"), Decimal("4.50")], 3,
    )  # fmt: skip
    stage.done(5, 4)
    assert stage.result == ["2.50", "3.50", "4.50"]
    assert stage.replayed().outcome == stage.execution.outcome


def test_it_stands_in_the_journal_in_its_place() -> None:
    """With a number of its own, among the operations."""
    assert recorded().types == [
        "RunStarted", "ValueRecorded", "TaskScheduled", "TaskCompleted", "ValueRecorded", "ValueRecorded",
        "TaskScheduled",
    ]  # fmt: skip


def test_live_code_sees_what_a_replay_will_see() -> None:
    """Without a type: builtins, as JSON has them. With one, that."""

    class Flow(Workflow):
        async def run(self) -> list[str]:
            plain = self.record(lambda: (1, date(2026, 3, 1)))
            typed = self.record(lambda: (1, date(2026, 3, 1)), tuple[int, date])
            return [repr(plain), repr(typed)]

    stage = Stage(Flow)
    stage.start()
    assert stage.result == ["[1, '2026-03-01']", "(1, datetime.date(2026, 3, 1))"]


def test_a_query_records_nothing() -> None:
    """It is refused, and its journal stays as it was."""
    stage = recorded()
    with pytest.raises(Bug, match="leave no trace"):
        stage.query("wrong")
    assert stage.done(5, 4).finished is not None


@pytest.mark.parametrize("error", [KeyError("x"), Rejected("no")])
def test_a_value_that_cant_be_made_is_a_mistake(error: Exception) -> None:
    """Also if the code catches it, and if it is a declared failure: no replay would see it. A fix goes on."""

    class Flow(Workflow, name="Order"):
        broken = True

        def make(self) -> int:
            if self.broken:
                raise error
            return 7

        async def run(self) -> int:
            await double(1)
            try:
                return self.record(self.make)
            except Exception:  # noqa: BLE001 - the mistake under test
                return 0

    class Mended(Flow, name="Order"):
        broken = False

    stage = Stage(Flow, ALL)
    stage.start()
    assert stage.done(1, 2).stuck is not None
    assert stage.types[-2:] == ["TaskCompleted", "Stuck"]
    stage.reload(Mended, ALL)
    stage.keep(stage.execution.resume(stage.now))
    assert (stage.result, stage.types[-3:]) == (7, ["Resumed", "ValueRecorded", "RunCompleted"])
    assert stage.replayed(Mended, ALL).outcome == stage.execution.outcome


class Before(Workflow, name="Order"):
    async def run(self) -> int:
        await double(1)
        await note("two")
        return 1


class Extra(Workflow, name="Order"):
    """Asks for a value where there was none, and does not take no for an answer."""

    async def run(self) -> int:
        await double(1)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.ask())
        except BaseException:  # noqa: BLE001 - whatever the code does now, nothing of it counts
            pass
        await note("two")
        return 1

    async def ask(self) -> None:
        self.record(limit)


@pytest.mark.parametrize("facts", [2, 3])
def test_an_extra_value_is_found_and_not_made(facts: int) -> None:
    """A journal without it is a difference, in the usual words; the function is not called."""
    stage = Stage(Before, ALL)
    stage.start()
    stage.done(1, 2)
    if facts == 3:
        stage.done(2)
    with pytest.raises(
        Nondeterminism, match=r"at version 4 the journal has TaskScheduled\(#2 note\), .* asks for ValueRecorded\(#2\)"
    ):
        stage.replayed(Extra, ALL)
    assert made == []


def test_a_missing_value_is_found() -> None:
    """Code that does not ask for what was recorded is another one."""

    class Missing(Recording, name="Order"):
        async def run(self) -> list[Decimal]:
            await double(1)
            return []

    with pytest.raises(Nondeterminism, match=r"at version 2 the journal has ValueRecorded\(#1\)"):
        recorded().replayed(Missing, ALL)


def test_what_is_given_to_record_may_use_clocks_and_chance() -> None:
    """It runs once; the code around it is still looked at."""

    class Good(Workflow):
        async def run(self, n: int) -> str:
            stamp = self.record(lambda: time.time() + n)
            return f"{self.record(lambda: secrets.token_hex(4))} {stamp}"

    class Bad(Workflow):
        async def run(self) -> None:
            self.record(lambda: 1)
            sorted([1], key=lambda n: n * time.time())

    App(actors=[Good])
    with pytest.raises(DefinitionError, match=r"Bad.run uses time.time"):
        App(actors=[Bad])
