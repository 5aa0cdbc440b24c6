"""The durable loop runs inside whatever loop the node has, and leaves that as it found it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from actors import Workflow
from tests.unit.actors.flows import ALL, double
from tests.unit.actors.stage import Stage


class Good(Workflow):
    async def run(self) -> int:
        return sum(await asyncio.gather(double(1), double(2)))


class Bad(Workflow):
    async def run(self) -> int:
        raise ValueError("a mistake")


class Exits(Workflow):
    async def run(self) -> int:
        async def leave() -> None:
            raise SystemExit

        await asyncio.gather(leave(), double(1))
        return 0


def drive(cls: type[Workflow]) -> None:
    stage = Stage(cls, ALL)
    stage.start()
    if cls is Good:
        stage.done(1, 2)
        stage.done(2, 4)
        assert stage.result == 6
    stage.execution.dispose()


LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("cls", [Good, Bad, Exits])
def test_inside_a_task_of_a_running_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], cls: type[Workflow]
) -> None:
    """Afterwards the outer loop, its current task and its generator hooks are what they were, also after a mistake."""

    async def around() -> None:
        before = (asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks())
        drive(cls)
        assert (asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks()) == before
        await asyncio.sleep(0)  # and the outer task can still be suspended
        async with asyncio.timeout(5):
            await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(around())


@pytest.mark.parametrize("new_loop", LOOPS, ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("cls", [Good, Bad, Exits])
def test_inside_a_plain_callback_of_a_running_loop(
    new_loop: Callable[[], asyncio.AbstractEventLoop], cls: type[Workflow]
) -> None:
    """There is no current task then, before and after."""
    seen: list[Any] = []

    def callback(loop: asyncio.AbstractEventLoop) -> None:
        try:
            drive(cls)
            seen.append((asyncio.get_running_loop() is loop, asyncio.current_task()))
        finally:
            loop.stop()

    loop = new_loop()
    loop.call_soon(callback, loop)
    loop.run_forever()
    loop.close()
    assert seen == [(True, None)]


@pytest.mark.parametrize("cls", [Good, Bad, Exits])
def test_without_any_loop(cls: type[Workflow]) -> None:
    """Replay for debugging needs none."""
    drive(cls)
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def test_a_keyboard_interrupt_goes_through() -> None:
    """Ctrl-C belongs to the process, and leaves the outer loop intact."""

    class Flow(Workflow):
        async def run(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stage(Flow).start()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


async def test_many_instances_share_an_outer_loop() -> None:
    """Turns of different instances interleave without touching each other."""
    stages = [Stage(Good, ALL) for _ in range(20)]
    for stage in stages:
        stage.start()
    for number in (2, 1):
        for stage in stages:
            stage.done(number, number)
    assert {stage.result for stage in stages} == {3}
