"""A turn: what one message made an instance do. History and a message go in, a turn comes out; the runtime makes
it durable and only then lets its effects leave the node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from msgspec import Raw, Struct

from actors.journal import ChildStarted, CommandSent, ErrorInfo, Stop, TaskScheduled

CANCELLED: Final = "cancelled"
TERMINATED: Final = "terminated"
TIMED_OUT: Final = "timed_out"

if TYPE_CHECKING:
    from actors.continuation import KeptRun
    from actors.ledger import TakenCommand


class HistoryEvent(Protocol):
    """What replay reads of a recorded event."""

    @property
    def version(self) -> int:
        """Place in the stream, from 1."""
        ...

    @property
    def type(self) -> str:
        """Name of the event's type."""
        ...

    @property
    def data(self) -> bytes:
        """UTF-8 JSON."""
        ...

    @property
    def recorded_at(self) -> Any:
        """An aware datetime."""
        ...

    @property
    def schema(self) -> int:
        """Which form the data is in."""
        ...


class NewRecord(Struct, gc=False):
    """An event to append: its type's name, its JSON, and which form that is."""

    type: str
    data: bytes
    schema: int = 1


class Outcome(Struct, gc=False):
    """How a command or a run ended: with a result, or with a declared failure."""

    result: Raw | None = None
    error: ErrorInfo | None = None
    # `CANCELLED`, `TERMINATED` or `TIMED_OUT`, with an error that says why; None for every other end
    ended: Literal["cancelled", "terminated", "timed_out"] | None = None

    @property
    def status(self) -> str:
        """The end in one word, as listings have it."""
        return self.ended or ("completed" if self.error is None else "failed")


class Answer(Struct, gc=False):
    """The outcome of one command."""

    command_id: str
    outcome: Outcome


class LocalCall(Struct, gc=False):
    """A local task to run in the node once the turn is durable."""

    task: int
    name: str
    input: bytes


class TimerRow(Struct, gc=False, frozen=True):
    """A timer to keep or to drop: its number in the stream, and when it is due in seconds since the epoch."""

    number: int
    due: float


class LogLine(Struct, gc=False):
    """Something that user code logged; said once, never on replay."""

    level: str
    event: str
    fields: dict[str, Any]


class StoppedChild(Struct, gc=False):
    """A child that is to end, and how; it may have been started in this very turn."""

    started: ChildStarted
    stop: Stop


class Turn(Struct):
    """What one message made an instance do. Events are in order; everything else is their consequence."""

    events: list[NewRecord] = []
    answers: list[Answer] = []
    tasks: list[TaskScheduled] = []  # to hand to workers
    stopped: list[StoppedChild] | None = None  # told in the place of an earlier start; the last word on a child counts
    children: list[ChildStarted] | None = None  # to start; None: none, as in most turns
    sent: list[CommandSent] | None = None  # commands for others, in order; None: none
    tasks_closed: list[int] = []  # nobody waits for these any more; a child that has ended is one of them
    local_calls: list[LocalCall] = []
    local_given_up: list[int] | None = None  # local tasks to stop
    timers_set: list[TimerRow] = []
    timers_cleared: list[TimerRow] = []
    finished: Outcome | None = None
    new_run: KeptRun | None = None  # begun by this turn; of several the last one
    left: list[TakenCommand] | None = None  # all commands of runs that it ended for new ones
    first_run_left: bool = False  # one of them was the first
    stuck: ErrorInfo | None = None
    resumed: bool = False
    relisted: bool = False  # its search attributes have changed
    logs: list[LogLine] = []

    def followed_by(self, later: Turn) -> Turn:
        """Join two turns that become durable together. A task that the first asked for and the second gave up is none."""
        joined = Turn(*(_joined(getattr(self, name), getattr(later, name)) for name in Turn.__struct_fields__))
        closed = set(joined.tasks_closed)
        joined.tasks = [task for task in joined.tasks if task.task not in closed]
        return joined


def _joined(first: Any, second: Any) -> Any:
    return [*first, *second] if isinstance(first, list) and isinstance(second, list) else second or first
