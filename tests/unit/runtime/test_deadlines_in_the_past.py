"""Deadlines that are past when they are set, as after a process was stopped for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from runtime.client.deadlines import Deadlines


class Kept:
    """Remembers the deadlines that came."""

    over = False

    def __init__(self) -> None:
        self.came: list[float] = []
        self.all = asyncio.Event()

    def due(self, when: float) -> None:
        self.came.append(when)
        if len(self.came) == 2:
            self.all.set()


async def _two_past_deadlines() -> None:
    deadlines, kept = Deadlines(), Kept()
    now = asyncio.get_running_loop().time()
    deadlines.watch(kept, now - 1)
    deadlines.watch(kept, now - 2)
    async with asyncio.timeout(10):
        await kept.all.wait()
    assert kept.came == [now - 2, now - 1]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_both_come_in_order(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """On asyncio's loop and on uvloop, which has no timer to ask for a time that is past."""
    run(_two_past_deadlines())
