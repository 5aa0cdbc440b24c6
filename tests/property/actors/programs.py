"""Small workflow programs as data, one workflow that runs any of them, and schedules that play with it.

A program is a JSON list `[kind, …]`; see `_MEANING`. Whatever the program and the schedule, what happened live must be
what a replay of the journal makes of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import strategies as st

from actors import Rejected, TaskError, Workflow, command, task
from actors.turn import LocalCall, Turn
from tests.unit.actors.stage import Stage

Program = list[Any]
MAX_COUNT = 3


@task
async def remote(n: int) -> int:
    raise AssertionError("a task really ran")


@task(local=True)
async def local(n: int) -> int:
    raise AssertionError("a task really ran")


TASKS = (remote, local)


class Interpreter(Workflow):
    """Runs a program; `trail` is what its code saw, in order."""

    mistaken = True  # whether `bug` is one; the class below is the fixed code

    def __init__(self) -> None:
        self.trail: list[Any] = []
        self.count = 0
        self.lock = asyncio.Lock()

    def state_seen(self) -> tuple[list[Any], int, bool]:
        return self.trail, self.count, self.lock.locked()

    async def run(self, program: Program) -> list[Any]:
        await self.step(program)
        return self.trail

    async def step(self, program: Program) -> None:
        kind, *rest = program
        await _MEANING[kind](self, *rest)
        self.trail.append(kind)

    @command
    def add(self, n: int) -> int:
        self.count += n
        return self.count

    @command
    async def work(self, n: int) -> int:
        async with self.lock:
            self.trail.append(await remote(n))
        return n

    @command
    async def rest(self, n: int) -> None:
        await asyncio.sleep(n)

    @command
    def refuse(self, n: int) -> None:
        raise Rejected("no")


class Mended(Interpreter, name="Interpreter"):
    mistaken = False


async def _remote(flow: Interpreter, n: int) -> None:
    flow.trail.append(await remote(n))


async def _local(flow: Interpreter, n: int) -> None:
    flow.trail.append(await local(n))


async def _sleep(flow: Interpreter, seconds: int) -> None:
    await asyncio.sleep(seconds)
    flow.trail.append(flow.now().isoformat())


async def _seq(flow: Interpreter, parts: list[Program]) -> None:
    for part in parts:
        await flow.step(part)


async def _gather(flow: Interpreter, parts: list[Program]) -> None:
    await asyncio.gather(*(flow.step(part) for part in parts))


async def _group(flow: Interpreter, parts: list[Program]) -> None:
    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(flow.step(part))


async def _first(flow: Interpreter, parts: list[Program]) -> None:
    running = [asyncio.create_task(flow.step(part)) for part in parts]
    done, pending = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for each in pending:
        each.cancel()
    await asyncio.gather(*done, *pending, return_exceptions=True)


async def _timeout(flow: Interpreter, seconds: int, part: Program) -> None:
    try:
        async with asyncio.timeout(seconds):
            await flow.step(part)
    except TimeoutError:
        flow.trail.append("late")


async def _wait_for(flow: Interpreter, seconds: int, part: Program) -> None:
    try:
        await asyncio.wait_for(flow.step(part), seconds)
    except TimeoutError:
        flow.trail.append("late")


async def _until(flow: Interpreter, count: int, seconds: int | None) -> None:
    try:
        await flow.until(lambda: flow.count >= count, timeout=seconds)
    except TimeoutError:
        flow.trail.append("late")


async def _try(flow: Interpreter, part: Program) -> None:
    try:
        await flow.step(part)
    except* (TaskError, Rejected) as errors:
        flow.trail.append(str(errors.exceptions))


async def _finally(flow: Interpreter, part: Program, clean_up: Program) -> None:
    try:
        await flow.step(part)
    finally:
        await flow.step(clean_up)


async def _locked(flow: Interpreter, part: Program) -> None:
    async with flow.lock:
        # A program that takes the lock twice would wait for itself; that, too, is the same in replay.
        await flow.step(part)


async def _background(flow: Interpreter, part: Program) -> None:
    flow.trail.append(asyncio.create_task(flow.step(part)).get_name())


async def _draw(flow: Interpreter) -> None:
    flow.trail += [str(flow.uuid()), flow.random.randrange(100)]


async def _reject(flow: Interpreter) -> None:
    raise Rejected("no")


async def _bug(flow: Interpreter) -> None:
    if flow.mistaken:
        raise ValueError("a mistake")


_MEANING: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "remote": _remote, "local": _local, "sleep": _sleep, "seq": _seq, "gather": _gather, "group": _group,
    "first": _first, "timeout": _timeout, "wait_for": _wait_for, "until": _until, "try": _try, "finally": _finally,
    "locked": _locked, "background": _background, "draw": _draw, "reject": _reject, "bug": _bug,
}  # fmt: skip

_seconds = st.integers(min_value=0, max_value=4)
_LEAVES: dict[str, st.SearchStrategy[Program]] = {
    "remote": st.tuples(st.just("remote"), st.integers(0, 9)).map(list),
    "local": st.tuples(st.just("local"), st.integers(0, 9)).map(list),
    "sleep": st.tuples(st.just("sleep"), _seconds).map(list),
    "until": st.tuples(st.just("until"), st.integers(0, MAX_COUNT), st.none() | _seconds).map(list),
    "draw": st.just(["draw"]),
    "reject": st.just(["reject"]),
}


def _plain(part: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    parts = st.lists(part, min_size=1, max_size=3)
    return st.one_of(
        st.tuples(st.sampled_from(["seq", "gather", "group"]), parts).map(list),
        st.tuples(st.sampled_from(["timeout", "wait_for"]), _seconds, part).map(list),
        st.tuples(st.sampled_from(["try", "locked"]), part).map(list),
    )


def _larger(part: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
    return st.one_of(
        _plain(part),
        st.tuples(st.just("first"), st.lists(part, min_size=1, max_size=3)).map(list),
        st.tuples(st.just("background"), part).map(list),
        st.tuples(st.just("finally"), part, part).map(list),
    )


def programs() -> st.SearchStrategy[Program]:
    """Draw a program without mistakes."""
    return st.recursive(st.one_of(*_LEAVES.values()), _larger, max_leaves=8)


def mistaken_programs() -> st.SearchStrategy[Program]:
    """Draw a program that may hold mistakes, and nothing that answers an exception with more requests.

    What code does on its way out of a mistake is recorded like all that it does, so the fixed code would differ.
    """
    return st.recursive(st.one_of(*_LEAVES.values(), st.just(["bug"])), _plain, max_leaves=8)


schedules = st.lists(st.integers(min_value=0, max_value=10_000), max_size=20)


class Player:
    """Plays a schedule: each number chooses one of the facts that may come next, repetitions and late ones included."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.calls: dict[int, LocalCall] = {}
        self.timers: set[int] = set()
        self.scheduled: set[int] = set()
        self.commands = 0

    def start(self, program: Program) -> Turn:
        return self._note(self.stage.start(program=program))

    def play(self, choice: int) -> Turn:
        options = self._options()
        return self._note(options[choice % len(options)]())

    def note(self, turn: Turn) -> None:
        self._note(turn)

    def _note(self, turn: Turn) -> Turn:
        self.calls |= {call.task: call for call in turn.local_calls}
        self.timers |= {row.number for row in turn.timers_set}
        self.scheduled |= {scheduled.task for scheduled in turn.tasks}
        self.stage.now += 0.25
        return turn

    def _options(self) -> list[Callable[[], Turn]]:
        stage = self.stage
        options: list[Callable[[], Turn]] = []
        for number in sorted(self.scheduled):
            options += [lambda n=number: stage.done(n, n), lambda n=number: stage.fail(n)]  # type: ignore[misc]  # bound
        for number, call in sorted(self.calls.items()):
            options += [lambda n=number, c=call: stage.done(n, n, local=c.name)]  # type: ignore[misc]  # bound
            options += [lambda n=number, c=call: stage.fail(n, local=c.name)]  # type: ignore[misc]  # bound
        options += [lambda n=number: stage.fire(n) for number in sorted(self.timers)]  # type: ignore[misc]  # bound
        if stage.execution.outcome is None:  # a node refuses commands to a finished instance
            for name in ("add", "add", "work", "rest", "refuse"):
                options.append(lambda name=name: self._command(name))  # type: ignore[misc]  # bound
        return options or [Turn]

    def _command(self, name: str) -> Turn:
        self.commands += 1
        return self.stage.command(name, id=f"c{self.commands}", n=1)
