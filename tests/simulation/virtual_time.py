"""An event loop whose time jumps to the next timer: hours pass in milliseconds, and the same run is the same run."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

START = 1_000.0


class NothingWillHappen(RuntimeError):
    """Every task waits for another one: no timer is left that could move anything."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for sockets, of which there are none, it moves the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingWillHappen("no task can go on and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """See the module's docstring."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def jump(self, seconds: float) -> None:
        """Move the clock by hand."""
        self._jumping.now += seconds
