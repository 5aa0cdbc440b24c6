"""Replay: an instance's own code at any of its versions, with its state, and where it stands there."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from types import FrameType
from typing import Any

import msgspec
from msgspec import Struct

from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.errors import Bug, Nondeterminism
from actors.execution import Execution
from actors.stack import Stack, stacks
from eventstore.records import RecordedEvent
from runtime.cli import journal

_ABSENT = object()
_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-f]+")
_OWN = {"self", "_perdure"}


class Place(Struct, frozen=True):
    """A frame of the user's code: its function, where it stands, and its variables."""

    function: str
    file: str
    line: int
    variables: dict[str, Any]


class Coroutine(Struct, frozen=True):
    """A coroutine of a workflow, its frames from the outermost in, and what it waits for in words."""

    name: str
    waits_for: str
    frames: list[Place]


class Step(Struct, frozen=True):
    """One event, and the state right after it. `changed` holds what the event changed, with its new value."""

    version: int
    type: str
    title: str
    recorded_at: datetime
    state: Any
    changed: dict[str, Any]
    waiting_for: list[str]


class Replayer:
    """An instance's code, brought to one version after the other. Dispose of it.

    `trouble` is why the code can't go beyond `version`: it does something else than what is recorded, or it raised.
    """

    def __init__(self, kind: ActorType | WorkflowType, stream: str, events: Sequence[RecordedEvent]) -> None:
        self.kind, self.stream, self.events = kind, stream, events
        self._here: Entity | None = None  # an actor as it was at a version, with the command that was under way
        self._begin()

    def go(self, version: int) -> None:
        """Bring the code to a version, as far as it gets; 0 is before the first event. Going back begins anew."""
        if version < self.version:
            self.again()
        while self.version < version and self.trouble is None:
            self._advance()

    def finish(self) -> None:
        """Go to the newest version, and see that the code wants nothing more than what is recorded."""
        self.go(len(self.events))
        if self.trouble is None:
            self._advance()

    def again(self) -> None:
        """Begin anew, before the first event."""
        self.dispose()
        self._begin()

    @property
    def state(self) -> Any:
        """The state as builtins; what JSON has no form for is shown as Python would, without addresses."""
        return plain(self.instance.state())

    @property
    def waiting_for(self) -> list[str]:
        """What the code waits for, in words."""
        return self.instance.waiting_for() if isinstance(self.instance, Execution) else self._under_way().waiting_for()

    @property
    def stacks(self) -> list[Stack]:
        """The coroutines with their live frames, none for an actor."""
        execution = self.instance if isinstance(self.instance, Execution) else self._under_way().handling
        if execution is None or execution.broken is not None:
            return []
        return stacks(execution.program)

    def _under_way(self) -> Entity:
        """Replay an actor up to here and no further: only a command that was under way at the end is run again."""
        if self._here is None or self._here.version != self.version:
            self._forget_here()
            self._here = Entity(self._actor_kind, self.stream)
            try:
                self._here.replay(self.events[: self.version])
            except (Nondeterminism, Bug):  # in the middle of a turn: what it decides is not all there
                self._here.dispose()
                self._here = Entity(self._actor_kind, self.stream)
                self._here.version = self.version
        return self._here

    @property
    def _actor_kind(self) -> ActorType:
        if not isinstance(self.kind, ActorType):
            raise TypeError(f"{self.stream} is no actor")
        return self.kind

    def _forget_here(self) -> None:
        if self._here is not None:
            self._here.dispose()
            self._here = None

    @property
    def user_object(self) -> object:
        """The user's own object: the workflow or actor. None before the first event of a workflow."""
        return self.instance.program.instance if isinstance(self.instance, Execution) else self.instance.actor

    def dispose(self) -> None:
        """Drop the code's coroutines."""
        self._forget_here()
        self._steps.close()
        self.instance.dispose()

    def _begin(self) -> None:
        self.version = 0
        self.trouble: Nondeterminism | Bug | None = None
        kind = self.kind
        self.instance = Execution(kind, self.stream) if isinstance(kind, WorkflowType) else Entity(kind, self.stream)
        self._steps: Any = self.instance.steps(self.events)

    def _advance(self) -> None:
        try:
            next(self._steps, None)
            if isinstance(self.instance, Execution) and self.instance.broken is not None:
                deque(self._steps, 0)  # what is wrong is raised when the rest of the record has been looked at
        except (Nondeterminism, Bug) as error:
            self.trouble = error
            return
        self.version = min(self.instance.version, len(self.events))


def coroutines(stacks: Sequence[Stack]) -> list[Coroutine]:
    """Give coroutines as values that last."""
    return [Coroutine(stack.name, stack.waits_for, [_place(frame) for frame in stack.frames]) for stack in stacks]


def replay(kind: ActorType | WorkflowType, stream: str, history: Sequence[RecordedEvent]) -> Iterator[Step]:
    """Give the state after each event.

    Raises:
        Nondeterminism: after the last step, when the code does not do what the journal says.
        Bug: the same, when the code raised something undeclared.
    """
    replayer = Replayer(kind, stream, history)
    before: Any = {}
    titles = journal.Titles()
    try:
        for event in history:
            replayer.go(event.version)
            if replayer.trouble is not None:
                raise replayer.trouble
            state = replayer.state
            yield Step(
                event.version,
                event.type,
                titles.of(event),
                event.recorded_at,
                state,
                changed(before, state),
                replayer.instance.waiting_for(),  # an actor's at the newest version only: any other takes a replay of its own
            )
            before = state
        replayer.finish()
        if replayer.trouble is not None:
            raise replayer.trouble
    finally:
        replayer.dispose()


def plain(value: Any) -> Any:
    """Copy a value into builtins that JSON can hold; what it can't is shown as Python would, the same in each replay."""
    try:
        return msgspec.to_builtins(value, enc_hook=_shown, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return _shown(value)


def changed(before: Any, after: Any) -> dict[str, Any]:
    """Give the attributes that are new or have another value."""
    if not isinstance(after, dict):
        return {} if before == after else {"state": after}
    old = before if isinstance(before, dict) else {}
    return {name: value for name, value in after.items() if old.get(name, _ABSENT) != value}


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    variables = {name: plain(value) for name, value in frame.f_locals.items() if name not in _OWN}
    return Place(code.co_qualname, code.co_filename, frame.f_lineno, variables)


def _shown(value: Any) -> str:
    try:
        return _ADDRESS.sub("", repr(value))
    except Exception as error:  # noqa: BLE001 - a user's own __repr__ must not hide everything else
        return f"<a {type(value).__name__} whose repr raised {type(error).__name__}>"
