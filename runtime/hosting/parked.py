"""Streams of a type that nobody here knows: a rolling deployment has not come to this node yet, or the class is gone.

A workflow's journal says without any code what is news to it, so `WorkflowBehaviour` records facts for one that is
parked. This is for the rest: an actor's stream, which only its code can add to, and a stream that does not exist.

Nothing is lost: what asks for an answer is told that the actor is parked, what wants none is put aside with that reason,
and what is published again until it is recorded is left to that. The listing's row is what makes a new owner of the
partition look again.
"""

from __future__ import annotations

from typing import assert_never

from actors import Bug
from actors.definition import AbsentType
from actors.errors import UnknownName
from actors.failures import error_info
from actors.journal import Caller, InstanceDeleted, RunStarted
from actors.turn import LocalCall
from eventstore import Commit, InboxMark, LoadedStream
from eventstore import Execution as ExecutionRow
from runtime.hosting.calls import denial
from runtime.hosting.ground import Ground, refusal, storable
from runtime.hosting.item import CancelDelayed, Expire, Item, LocalDone, Step, TimerDue, Wake
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Delete,
    Reply,
    Resolve,
    Send,
    Start,
    Status,
    TaskOutcome,
    Terminate,
    error_reply,
)

PARKED = "parked"  # the listing's status


def is_workflow(stream: LoadedStream) -> bool:
    """Say whether a stream is a workflow's journal, by its first event."""
    first = next((event for event in stream.events if event.type != InstanceDeleted.__name__), None)
    return first is not None and first.type == RunStarted.__name__


class ParkedActor:
    """An actor of an unknown type, or nothing at all, which is found out by `load`."""

    finished = busy = dirty = at_rest = paused = False

    def __init__(self, ground: Ground, kind: AbsentType, stream: str) -> None:
        self._ground, self._kind, self.stream = ground, kind, stream
        self.version = 0
        self._exists = False
        self.correlation_id: str | None = None
        self._trouble = error_info(kind.unknown(stream))
        self._marks: dict[str, InboxMark] = {}  # of commands that other actors were told of as refused

    @property
    def exists(self) -> bool:
        """Whether there is such an actor."""
        return self._exists

    @property
    def broken(self) -> bool:
        """Whether there is something that can't go on."""
        return self.exists

    @property
    def parked(self) -> bool:
        """Whether that is for want of code."""
        return self.exists

    def load(self, loaded: LoadedStream, *, was_stuck: bool) -> Step:
        """Look whether the stream exists, and list it as parked if nobody did yet."""
        self._marks = loaded.inbox
        if not loaded.events:
            return Step()
        self.version, self.correlation_id = loaded.events[-1].version, loaded.events[0].correlation_id
        self._exists = loaded.events[-1].type != InstanceDeleted.__name__
        if was_stuck or not self.exists:
            return Step()
        ground, now = self._ground, self._ground.clock.now()
        row = ExecutionRow(
            PARKED,
            loaded.events[0].recorded_at,
            now,
            busy=True,  # so that a new owner of the partition, who may have the code, looks at it
            error=storable(f"{self._trouble.type}: {self._trouble.message}"),
            correlation_id=self.correlation_id,
        )
        commit = Commit(ground.partition, ground.epoch, self.stream, self.version, execution=row)
        return Step(commit, stuck=self._trouble)

    def handle(self, item: Item) -> Step:
        """Tell whoever asks that it can't be done here and now."""
        content = item.content
        match content:
            case Send(caller=Caller() as caller):
                return self._call(content, caller)
            case Send(scheduled=True):
                return Step()  # its row says it again
            case (
                Start()
                | Send()
                | Ask()
                | AwaitResult()
                | Cancel()
                | CancelDelayed()
                | Terminate()
                | Resolve()
                | Correct()
            ):
                return refusal(item, self._reply())
            case (
                TaskOutcome()
                | ChildOutcome()
                | CommandOutcome()
                | TimerDue()
                | LocalDone()
                | Delete()
                | Expire()
                | Wake()
            ):
                return Step()
            case _:
                assert_never(content)

    def _call(self, message: Send, caller: Caller) -> Step:
        """Tell another actor that there is no such type. The command for one that is parked comes again by itself."""
        if self.exists:
            return Step()
        step = denial(message, caller, self._reply(), self._ground, self.version)
        if message.command_id in self._marks and step.commit is not None:
            step.commit.inbox = []  # it was told before, and hears the same again
        return step

    def deleted(self) -> InstanceDeleted:
        """Never asked for: it is not deleted while nobody can say what is under way."""
        raise Bug(f"{self.stream} is parked")

    def last_marks(self) -> list[InboxMark]:
        """Give none."""
        return []

    def local_calls(self) -> list[LocalCall]:
        """Give none: nothing runs."""
        return []

    def open_tasks(self) -> list[str]:
        """Give none: nobody here can tell."""
        return []

    def dispose(self) -> None:
        """Nothing to release."""

    def _reply(self) -> Reply:
        if self.exists:
            return Reply(Status.STUCK, error=self._trouble)
        return error_reply(
            Status.INVALID, UnknownName(f"no actor type is named {self._kind.name!r}; known: {self._kind.known}")
        )
