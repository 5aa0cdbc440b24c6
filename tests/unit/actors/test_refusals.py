"""What can't be replayed raises NotDurable and says what to use instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from actors import NotDurable, Workflow
from actors.loop import DurableLoop
from tests.unit.actors.stage import Stage

OFFERED = {
    "time", "call_soon", "call_later", "call_at", "create_future", "create_task", "get_debug", "is_running",
    "is_closed", "call_exception_handler", "get_task_factory",
}  # fmt: skip
REFUSED = sorted(name for name in vars(asyncio.AbstractEventLoop) if not name.startswith("_") and name not in OFFERED)


class _Host:
    """Nobody's host: nothing may be asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize("name", REFUSED)
def test_every_other_method_of_a_loop_is_refused(name: str) -> None:
    """No method is forgotten, whatever Python's version offers."""
    loop = DurableLoop(_Host())  # type: ignore[abstract]  # the refused methods are added by name
    with pytest.raises(NotDurable, match=rf"loop\.{name}\(\).*(@task|primitives|runtime)"):
        getattr(loop, name)(None, key=None)


@pytest.mark.parametrize("name", sorted(OFFERED))
def test_every_method_that_is_offered_exists(name: str) -> None:
    """The two lists cover a loop."""
    assert name in vars(DurableLoop)


async def _in_thread() -> None:
    await asyncio.to_thread(print)


async def _in_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, print)


async def _connection() -> None:
    await asyncio.open_connection("localhost", 1)


async def _server() -> None:
    await asyncio.start_server(lambda *_: None, "localhost", 1)


async def _process() -> None:
    await asyncio.create_subprocess_exec("true")


async def _shell() -> None:
    await asyncio.create_subprocess_shell("true")


@pytest.mark.parametrize("ask", [_in_thread, _in_executor, _connection, _server, _process, _shell])
def test_the_usual_ways_out_are_refused_inside_a_workflow(ask: Callable[[], Awaitable[None]]) -> None:
    """The instance is stuck, with advice, and nothing was done."""

    class Flow(Workflow):
        async def run(self) -> None:
            await ask()

    turn = Stage(Flow).start()
    assert turn.stuck is not None
    assert (turn.stuck.type, "@task" in turn.stuck.message) == ("NotDurable", True)


def test_code_that_never_rests_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not hold its node for ever."""
    monkeypatch.setattr("actors.loop.MAX_STEPS", 1000)

    class Flow(Workflow):
        async def run(self) -> None:
            while True:  # noqa: ASYNC110 - the mistake under test
                await asyncio.sleep(0)

    turn = Stage(Flow).start()
    assert turn.stuck is not None
    assert "come to rest" in turn.stuck.message
