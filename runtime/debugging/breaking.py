"""pdb inside the user's own code, at the moment of a recorded event.

The code runs in a replay, on its durable loop, with the state that it had then. Only the user's lines stop it: the
model and the standard library are passed over. `next` over an `await` stops at the line after it, when the event that
ends the waiting has been fed, be it a month later. What is done at the prompt touches the replay and nothing else.
"""

from __future__ import annotations

import dis
import pdb  # noqa: T100 - it is what this file is about
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from actors.errors import Bug
from runtime.debugging.replaying import Replayer

_FOLDERS = (
    *(str(Path(__file__).resolve().parents[2] / name) + "/" for name in ("actors", "eventstore", "runtime")),
    sysconfig.get_path("stdlib") + "/",
)
_RETURNS = {"RETURN_VALUE", "RETURN_CONST"}


def is_users(file: str) -> bool:
    """Say whether a frame of this file is to be stopped in: not Perdure's, nor the standard library's."""
    if "/site-packages/" in file:
        return not file.startswith(_FOLDERS)
    return not file.startswith(("<frozen", *_FOLDERS))


class UserCodeDebugger(pdb.Pdb):
    """A pdb that stops in the user's code only, and ends a replay, not the program, when it is left."""

    def __init__(self, announce: Callable[[], None]) -> None:
        """Prepare; `announce` is called before each prompt."""
        super().__init__(nosigint=True)
        self.left = False
        self._announce = announce

    def arm(self) -> None:
        """Stop at the next line of the user's that is run."""
        self.reset()
        self.set_step()
        sys.settrace(self.trace_dispatch)

    def disarm(self) -> None:
        """Stop nowhere any more."""
        sys.settrace(None)

    def look_at(self, trace: TracebackType) -> None:
        """Open the prompt where an exception was raised."""
        self.reset()
        self.interaction(None, trace)

    # -- what pdb asks ------------------------------------------------------------------------------------

    def stop_here(self, frame: FrameType) -> bool:
        """Stop only in the user's code."""
        return is_users(frame.f_code.co_filename) and super().stop_here(frame)

    def user_call(self, frame: FrameType, argument_list: Any) -> None:
        """Pass over: a resumed coroutine is called, too, and its next line is what counts."""

    def user_return(self, frame: FrameType, return_value: Any) -> None:
        """Stop when a function returns, but not when a coroutine begins to wait."""
        if _returns(frame):
            super().user_return(frame, return_value)

    def dispatch_return(self, frame: FrameType, arg: Any) -> Any:
        """Let `next` at a coroutine's end go on to whatever of the user's code runs then."""
        trace = super().dispatch_return(frame, arg)
        if frame is self.stopframe and _returns(frame):
            self.set_step()
        return trace

    def interaction(self, frame: FrameType | None, *where: Any) -> None:
        """Say at which event this is, and open the prompt."""
        self._announce()
        super().interaction(frame, *where)

    def get_stack(self, f: FrameType | None, t: TracebackType | None) -> tuple[list[tuple[FrameType, int]], int]:
        """Show the user's frames only."""
        stack, current = super().get_stack(f, t)
        users = [(frame, line) for frame, line in stack if is_users(frame.f_code.co_filename)]
        if not users:
            return stack, current
        chosen = stack[current] if stack[current] in users else users[-1]
        return users, users.index(chosen)

    def set_quit(self) -> None:
        """Leave the prompt for good. The user's code is not made to raise: what it catches would look like a mistake of its."""
        self.left = True
        self.set_continue()
        self.disarm()


def _returns(frame: FrameType) -> bool:
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in _RETURNS


def debug(replayer: Replayer, at: int, announce: Callable[[int], None]) -> None:
    """Replay, and stop at the first line of the user's that runs from version `at` on.

    Args:
        replayer: fresh.
        at: a version; its event is fed with the debugger armed.
        announce: called with the version whose event is being fed, once for each that stops.
    """
    told = 0

    def tell() -> None:
        nonlocal told
        if told != feeding:
            told = feeding
            announce(feeding)

    feeding = at
    replayer.go(at - 1)
    debugger = UserCodeDebugger(tell)
    debugger.arm()
    try:
        for feeding in range(at, len(replayer.events) + 1):
            replayer.go(feeding)
            if debugger.left or replayer.trouble is not None:
                return
    finally:
        debugger.disarm()


def examine(error: Bug, announce: Callable[[], None]) -> bool:
    """Open the prompt where the user's code raised; False when there is no such place."""
    cause = error.__cause__
    if cause is None or cause.__traceback__ is None:
        return False
    UserCodeDebugger(announce).look_at(cause.__traceback__)
    return True
