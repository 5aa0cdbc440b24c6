"""Where a workflow's code stands while it waits: the frames of each of its coroutines, and what each one awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import FrameType
from typing import Any, NamedTuple

from actors.callbacks import DurableTimer
from actors.program import Program

_LIBRARIES = (asyncio.__file__.removesuffix("__init__.py"), __file__.removesuffix("stack.py"))


class Stack(NamedTuple):
    """One coroutine that waits, as asyncio's task `name` (`run`, `command ship`, or the coroutine's own name).

    `frames` are the user's own, outermost first, each paused at its line; `waits_for` is in words.
    """

    name: str
    frames: list[FrameType]
    waits_for: str


def stacks(program: Program) -> list[Stack]:
    """Give the coroutines of a program that is not disposed of, in the order they were begun."""
    found = (_stack(program, task) for task in program.loop.tasks if not task.done())
    return [stack for stack in found if stack.frames]  # a task call that was handed to gather has no code of the user's


def is_library(file: str) -> bool:
    """Say whether a frame of this file is asyncio's or the model's, and not the user's."""
    return file.startswith(_LIBRARIES)


def _stack(program: Program, task: asyncio.Task[Any]) -> Stack:
    frames = list(_frames(task.get_coro()))
    users = [frame for frame in frames if not is_library(frame.f_code.co_filename)]
    return Stack(_name(task, frames), users, " or ".join(_awaited(program, task, frames)))


def _frames(coroutine: Any) -> Iterator[FrameType]:
    """Give a suspended coroutine's frames and those of what it awaits; a generator may stand between."""
    while coroutine is not None:
        for kind in ("cr", "gi", "ag"):
            if (frame := getattr(coroutine, f"{kind}_frame", None)) is not None:
                yield frame
                coroutine = getattr(coroutine, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
                break
        else:
            return


def _name(task: asyncio.Task[Any], frames: list[FrameType]) -> str:
    code = frames[0].f_code if frames else None
    if code is Program._run.__code__:  # noqa: SLF001 - whose coroutine it is
        return "run"
    if code is Program._handle.__code__:  # noqa: SLF001
        return f"command {frames[0].f_locals['received'].name}"
    return task.get_name()


def _awaited(program: Program, task: asyncio.Task[Any], frames: list[FrameType]) -> Iterator[str]:
    future: Any = getattr(task, "_fut_waiter", None)
    yield _title(program, future) or _library_call(frames) or "a future"
    for timer in program.timers.values():  # of an asyncio.timeout around it
        owner = getattr(timer._callback, "__self__", None)  # noqa: SLF001
        if getattr(owner, "_task", None) is task:
            yield _timer(timer)


def _title(program: Program, future: Any) -> str | None:
    if future is None:
        return "its next turn"
    for operation in program.open.values():
        if operation.future is future:
            return operation.title()
    for timer in program.timers.values():
        if future in timer._args:  # noqa: SLF001 - asyncio.sleep
            return _timer(timer)
    for condition, waiter in program.loop.waiting_conditions:
        if waiter is future:
            return f"a condition{_place(condition)}"
    return _title_of_coroutines(program, future)


def _title_of_coroutines(program: Program, future: Any) -> str | None:
    if isinstance(future, asyncio.Task):
        frames = list(_frames(future.get_coro()))
        if all(is_library(frame.f_code.co_filename) for frame in frames):
            return _title(program, getattr(future, "_fut_waiter", None))
        return f"coroutine {_name(future, frames)}"
    if children := getattr(future, "_children", None):  # asyncio.gather
        pending = [child for child in children if not child.done()]
        return "all of " + ", ".join(_title(program, child) or "a future" for child in pending)
    return None


def _library_call(frames: list[FrameType]) -> str | None:
    """Name asyncio's own coroutine that waits: `Event.wait`, `Queue.get`, `TaskGroup.__aexit__`."""
    if frames and is_library(frames[-1].f_code.co_filename):
        return frames[-1].f_code.co_qualname
    return None


def _timer(timer: DurableTimer) -> str:
    return f"timer #{timer.number}, due {datetime.fromtimestamp(timer.when(), UTC):%Y-%m-%d %H:%M:%S} UTC"


def _place(condition: Callable[[], Any]) -> str:
    code = getattr(condition, "__code__", None)
    return "" if code is None else f" of line {code.co_firstlineno}"
