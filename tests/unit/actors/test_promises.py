"""Promises: kept until they are awaited, settled once, and the same in every replay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Struct

from actors import InvalidArguments, PromiseFailed, Workflow, command, query
from actors.codec import plain_decoder, plain_encode
from actors.continuation import KeptRun, last_run
from actors.journal import ErrorInfo, PromiseRejected, PromiseResolved
from tests.unit.actors.stage import Stage, raw


class Invoice(Struct):
    number: str
    cents: int


class Order(Workflow):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def run(self, how: str = "plain") -> Any:
        match how:
            case "late":
                await self.until(lambda: "go" in self.seen)
            case "timeout":
                try:
                    async with asyncio.timeout(60):
                        await self.promise("invoice", Invoice)
                except TimeoutError:
                    self.seen.append("timeout")
                await self.until(lambda: "go" in self.seen)
            case "both":
                first, second = await asyncio.gather(self.promise("invoice", Invoice), self.promise("invoice", Invoice))
                return [first.number, second.number]
            case "two":
                a, b = await asyncio.gather(self.promise("a", int), self.promise("b", int))
                return [a, b]
            case "bad name":
                await self.promise("")
            case _:
                pass
        invoice = await self.promise("invoice", Invoice)
        again = await self.promise("invoice")
        return [invoice.cents, again]

    @command
    def go(self) -> None:
        self.seen.append("go")

    @query
    def what(self) -> list[str]:
        return self.seen


GOOD = {"number": "R-1", "cents": 700}


def _give(stage: Stage, name: str, value: Any, by: str = "x") -> None:
    fact = PromiseResolved(name, raw(value), by)
    stage.execution.check_promise(fact)
    stage.keep(stage.execution.settle_promise(fact, stage.now))


def test_a_promise_is_given_while_the_code_waits() -> None:
    """As the annotated type; every wait for the name gives the same value, and none leaves an event."""
    with Stage(Order) as stage:
        stage.start()
        assert stage.execution.waiting_for() == ["promise invoice"]
        _give(stage, "invoice", GOOD)
        assert stage.result == [700, GOOD]
        assert stage.types == ["RunStarted", "PromiseResolved", "RunCompleted"]
        stage.replayed()


def test_a_promise_that_is_settled_before_it_is_awaited_is_kept() -> None:
    """Over a reload, too."""
    with Stage(Order) as stage:
        stage.start(how="late")
        _give(stage, "invoice", GOOD)
        _give(stage, "other", None)
        stage.reload()
        stage.command("go")
        assert stage.result == [700, GOOD]
        stage.replayed()


def test_the_first_resolution_wins() -> None:
    """A second one is not recorded."""
    with Stage(Order) as stage:
        stage.start(how="late")
        _give(stage, "invoice", GOOD)
        _give(stage, "invoice", {"number": "R-2", "cents": 1}, by="y")
        assert stage.types == ["RunStarted", "PromiseResolved"]
        assert stage.execution.ledger.promises["invoice"].by == "x"


def test_several_waits_are_woken_together_and_several_promises_are_apart() -> None:
    """Whatever the order in which they are settled."""
    with Stage(Order) as stage:
        stage.start(how="both")
        _give(stage, "invoice", GOOD)
        assert stage.result == ["R-1", "R-1"]
    with Stage(Order) as stage:
        stage.start(how="two")
        _give(stage, "b", 2)
        assert stage.execution.waiting_for() == ["promise a"]
        _give(stage, "a", 1)
        assert stage.result == [1, 2]
        stage.replayed()


def test_a_rejected_promise_raises_where_it_is_awaited() -> None:
    """With the message and the details; not caught, it fails the run under its own type."""
    with Stage(Order) as stage:
        stage.start()
        error = ErrorInfo("NoCredit", "the bank said no", raw({"code": 7}))
        stage.keep(stage.execution.settle_promise(PromiseRejected("invoice", error, "x"), stage.now))
        assert (stage.error.type, stage.error.message) == (
            "NoCredit",
            "promise invoice failed: NoCredit: the bank said no",
        )
        assert stage.error.details_value() == {"code": 7}
        stage.replayed()


def test_a_value_that_does_not_fit_what_is_awaited_is_refused() -> None:
    """Nothing is recorded, so another one may come."""
    with Stage(Order) as stage:
        stage.start()
        with pytest.raises(InvalidArguments, match=r"promise invoice: .*missing required field `cents`"):
            _give(stage, "invoice", {"number": "R-1"})
        assert stage.types == ["RunStarted"]
        _give(stage, "invoice", GOOD)
        assert stage.result == [700, GOOD]


def test_a_value_that_came_before_its_type_was_known_and_does_not_fit_fails_the_wait() -> None:
    """It can't be taken back, so the code is told, as by a rejection."""
    with Stage(Order) as stage:
        stage.start(how="late")
        _give(stage, "invoice", 7)
        stage.command("go")
        assert stage.error.type == "InvalidValue"
        assert "Expected `object`, got `int`" in stage.error.message
        stage.replayed()


def test_a_wait_that_times_out_is_over_and_the_value_is_kept() -> None:
    """A promise is like any other thing that asyncio waits for."""
    with Stage(Order) as stage:
        stage.start(how="timeout")
        stage.fire(1)
        assert stage.query("what") == ["timeout"]
        assert stage.execution.waiting_for() == ["a condition"]
        _give(stage, "invoice", GOOD)
        stage.command("go")
        assert stage.result == [700, GOOD]
        stage.replayed()


@pytest.mark.parametrize("from_the_last_run", [False, True])
def test_what_settled_a_promise_holds_for_all_runs_of_the_instance(from_the_last_run: bool) -> None:
    """A run that starts over finds it, also where nothing before its beginning is replayed."""

    class Again(Workflow):
        def __init__(self) -> None:
            self.gone = False

        async def run(self, runs: int = 0) -> Any:
            if runs < 2:
                await self.until(lambda: self.gone)
                self.continue_as_new(runs + 1)
            return await self.promise("invoice", Invoice)

        @command
        def go(self) -> None:
            self.gone = True

    with Stage(Again) as stage:
        stage.start()
        _give(stage, "invoice", GOOD)
        stage.command("go")
        if from_the_last_run:
            kept, before = last_run(stage.journal)
            assert kept is not None
            kept = plain_decoder(KeptRun)(plain_encode(kept))
            stage.execution.dispose()
            stage.execution = stage.fresh()
            stage.execution.replay(stage.journal[before:], kept)
        _give(stage, "invoice", {"number": "R-2", "cents": 1}, by="y")
        stage.command("go")
        assert stage.result == GOOD
        stage.replayed()


def test_a_name_that_can_not_be_is_a_mistake() -> None:
    """The instance is stuck until the code is mended."""
    with Stage(Order) as stage:
        turn = stage.start(how="bad name")
        assert turn.stuck is not None
        assert "can't name a promise" in turn.stuck.message


def test_a_broken_instance_keeps_what_settles_its_promises() -> None:
    """And goes on with it when the code is mended."""

    class Broken(Order, name="Order"):
        async def run(self, how: str = "plain") -> Any:
            raise ZeroDivisionError

    with Stage(Broken) as stage:
        stage.start()
        _give(stage, "invoice", GOOD)
        assert stage.types == ["RunStarted", "Stuck", "PromiseResolved"]
        stage.reload(Order)
        stage.keep(stage.execution.resume(stage.now))
        assert stage.result == [700, GOOD]


def test_a_promise_failed_says_whose_and_why() -> None:
    """For people and for programs."""
    error = PromiseFailed("invoice", "NoCredit", "no", {"code": 7})
    assert (str(error), error.promise, error.type, error.details) == (
        "promise invoice failed: NoCredit: no",
        "invoice",
        "NoCredit",
        {"code": 7},
    )
