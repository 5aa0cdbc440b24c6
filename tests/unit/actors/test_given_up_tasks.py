"""A task that nobody awaits any more: its message is closed, it is not tried again, and a late outcome is only recorded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import Workflow, task
from tests.unit.actors.stage import Stage


@task
async def work(what: str) -> str:
    return what


@task(local=True)
async def inside(what: str) -> str:
    return what


class Giving(Workflow):
    async def run(self, plan: str) -> Any:  # noqa: C901 - a table of short stories
        match plan:
            case "timeout":
                try:
                    async with asyncio.timeout(60):
                        await work("slow")
                except TimeoutError:
                    return await self.until(lambda: False)
            case "race":
                tasks = [asyncio.create_task(work(f"{n}")) for n in range(3)]
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for each in tasks:
                    each.cancel()
                return await self.until(lambda: False)
            case "at once":
                each = asyncio.create_task(work("never"))
                local = asyncio.create_task(inside("never"))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                each.cancel()
                local.cancel()
                return await self.until(lambda: False)
            case "local":
                try:
                    async with asyncio.timeout(60):
                        await inside("slow")
                except TimeoutError:
                    return await self.until(lambda: False)
            case "left":
                self.left = asyncio.create_task(work("left"))
                await asyncio.sleep(0)
                return "gone"
            case "shielded":
                kept = asyncio.create_task(work("kept"))
                try:
                    async with asyncio.timeout(60):
                        await asyncio.shield(kept)
                except TimeoutError:
                    return await kept
        raise AssertionError


TASKS = [work, inside]


class Play(Stage):
    def __init__(self, plan: str) -> None:
        super().__init__(Giving, TASKS)
        self.first = self.start(plan=plan)


@pytest.fixture(params=["live", "replayed"])
def again(request: pytest.FixtureRequest) -> Any:
    def go_on(stage: Stage) -> None:
        if request.param == "replayed":
            stage.reload_same()

    return go_on


def test_a_timeout_closes_the_task(again: Any) -> None:
    """In the commit of the turn that stopped waiting; no event is needed, replay finds the same."""
    with Play("timeout") as stage:
        again(stage)
        assert stage.fire(1).tasks_closed == [2]
        assert stage.types == ["RunStarted", "TimerSet", "TaskScheduled", "TimerFired"]
        again(stage)
        assert stage.execution.ledger.tasks[2].awaited is False
        assert stage.done(2, "late").tasks_closed == [2]
        assert stage.types[-1] == "TaskCompleted"
        assert stage.done(2, "twice").events == []
        stage.replayed()


def test_the_losers_of_a_race_are_closed(again: Any) -> None:
    """Also where their waiting ends in the turn of another's outcome."""
    with Play("race") as stage:
        again(stage)
        assert sorted(stage.done(2, "first").tasks_closed) == [1, 2, 3]
        again(stage)
        assert [task.awaited for task in stage.execution.ledger.tasks.values()] == [False, False]


def test_what_is_given_up_in_its_own_turn_is_never_sent() -> None:
    """It keeps its number and its event; no worker and no node hears of it."""
    with Play("at once") as stage:
        assert stage.types == ["RunStarted", "TaskScheduled"]
        assert (stage.first.tasks, stage.first.local_calls) == ([], [])
        assert (stage.first.tasks_closed, stage.first.local_given_up) == ([1], [2])
        stage.replayed()
    with Play("left") as stage:
        assert stage.types == ["RunStarted", "TaskScheduled", "RunCompleted"]
        assert (stage.first.tasks, stage.first.tasks_closed) == ([], [1])


def test_a_local_task_is_stopped(again: Any) -> None:
    """And does not run again after a replay."""
    with Play("local") as stage:
        again(stage)
        assert stage.fire(1).local_given_up == [2]
        again(stage)
        assert stage.execution.pending_local_calls() == []


def test_a_shielded_task_is_still_awaited(again: Any) -> None:
    """What is cancelled is the waiting alone."""
    with Play("shielded") as stage:
        again(stage)
        assert stage.fire(1).tasks_closed == []
        again(stage)
        assert stage.execution.ledger.tasks[2].awaited is True
        stage.done(2, "kept")
        assert stage.result == "kept"


def test_what_was_given_up_while_stuck_is_closed_when_it_goes_on() -> None:
    """The turn was owed, and its consequences with it."""

    class Broken(Giving, name="Giving"):
        async def run(self, plan: str) -> Any:
            try:
                async with asyncio.timeout(60):
                    await work("slow")
            except TimeoutError:
                raise ZeroDivisionError from None

    with Stage(Broken, TASKS) as stage:
        stage.start(plan="timeout")
        stage.fire(1)
        assert stage.types[-1] == "Stuck"
        stage.reload(Giving, TASKS)
        assert stage.keep(stage.execution.resume(stage.now)).tasks_closed == [2]
