"""Unloading an instance runs nothing of it: no task, no timer, no line in the log, whatever its clean-up code tries."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from actors import Workflow, task
from tests.unit.actors.flows import ALL
from tests.unit.actors.stage import Stage

EFFECTS: list[str] = []


@task
async def charge(what: str) -> None:
    EFFECTS.append(what)


@pytest.fixture(autouse=True)
def effects() -> list[str]:
    EFFECTS.clear()
    return EFFECTS


class CleansUp(Workflow):
    """Awaits in every clean-up, on several levels."""

    async def run(self) -> None:
        try:
            try:
                await charge("work")
            finally:
                await charge("inner")
                await charge("inner again")
        finally:
            self.log.info("leaving")
            asyncio.create_task(charge("spawned"))  # noqa: RUF006 - the mistake under test
            await asyncio.sleep(5)


class Groups(Workflow):
    """Child tasks in a group, each with its clean-up."""

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(self.child(n))

    async def child(self, n: int) -> None:
        try:
            async with asyncio.timeout(60):
                await charge(f"work {n}")
        finally:
            await charge(f"clean {n}")


class Generates(Workflow):
    """An async generator that is in use."""

    async def numbers(self) -> AsyncIterator[int]:
        try:
            while True:
                await charge("number")
                yield 1
        finally:
            await charge("generator")

    async def run(self) -> None:
        async for _ in self.numbers():
            await charge("body")


class Stubborn(Workflow):
    """Catches everything and goes on."""

    async def run(self) -> None:
        for _ in range(10):
            with contextlib.suppress(BaseException):
                await charge("again")


class Nests(Workflow):
    """Every level of the call stack has a clean-up of its own that awaits another call with a clean-up."""

    async def run(self) -> None:
        await self.level(4)

    async def level(self, n: int) -> None:
        try:
            if n:
                await self.level(n - 1)
            else:
                await charge("work")
        finally:
            try:
                await asyncio.sleep(5)
            finally:
                await self.leave(n)

    async def leave(self, n: int) -> None:
        try:
            await self.until(lambda: False)
        finally:
            await charge(f"leaving {n}")


class Limits(Workflow):
    """A clean-up with a time limit and a group of its own."""

    async def run(self) -> None:
        try:
            await charge("work")
        finally:
            try:
                await asyncio.wait_for(charge("limited"), 5)
            finally:
                async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                    group.create_task(charge("grouped"))


CLASSES = [CleansUp, Groups, Generates, Stubborn, Nests, Limits]


@pytest.mark.parametrize("cls", CLASSES)
async def test_no_clean_up_has_an_effect(cls: type[Workflow], effects: list[str]) -> None:
    """Inside a running loop, as in a node: not at once, not later, not when memory is collected."""
    stage = Stage(cls, [charge])
    turn = stage.start()
    if cls is Generates:
        turn = stage.done(1)
    before = (len(turn.tasks), len(turn.logs), len(turn.events))
    stage.execution.dispose()
    await asyncio.sleep(0)
    del stage.execution
    gc.collect()
    await asyncio.sleep(0)
    assert (effects, (len(turn.tasks), len(turn.logs), len(turn.events))) == ([], before)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("cls", CLASSES)
def test_a_mistake_disposes_without_effect_too(cls: type[Workflow], effects: list[str]) -> None:
    """A stuck instance drops its coroutines at once."""

    class Broken(cls):  # type: ignore[valid-type, misc]  # a class made for the test
        async def run(self) -> None:
            mistake = asyncio.create_task(self.fail())
            running = asyncio.create_task(super().run())
            await asyncio.gather(mistake, running)

        async def fail(self) -> None:
            raise ValueError("a mistake")

    turn = Stage(Broken, [charge]).start()
    assert ([event.type for event in turn.events], turn.tasks, effects) == (["RunStarted", "Stuck"], [], [])


def test_disposing_twice_is_fine() -> None:
    """Also of one that never started."""
    stage = Stage(CleansUp, [charge])
    stage.execution.dispose()
    stage.execution.dispose()


def test_a_disposed_instance_is_collected() -> None:
    """Nothing of it stays behind in the process."""

    class Flow(Workflow):
        async def run(self) -> None:
            await self.until(lambda: False)

    stage = Stage(Flow, ALL)
    stage.start()
    gone = weakref.ref(stage.execution)
    stage.execution.dispose()
    del stage
    gc.collect()
    assert gone() is None


def test_a_forgotten_child_stays_alive(effects: list[str]) -> None:
    """When the garbage collector runs must not matter: a task that nobody holds goes on waiting."""

    class Flow(Workflow):
        async def run(self) -> None:
            asyncio.create_task(self.lost())  # noqa: RUF006 - the mistake under test
            await charge("work")

        async def lost(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await charge("lost")

    stage = Stage(Flow, [charge])
    stage.start()
    gc.collect()
    assert (effects, stage.done(1).finished is not None) == ([], True)
    stage.execution.dispose()
    gc.collect()
    assert effects == []
