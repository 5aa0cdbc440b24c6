"""What comes to an instance or to a worker in a test: the messages of a node, without its wires."""

from __future__ import annotations

from msgspec import Raw, Struct

from actors.attributes import Attribute
from actors.journal import Caller, ErrorInfo, PromiseRejected, PromiseResolved, Stop, TaskScheduled
from actors.turn import LocalCall, Outcome


class StartRun(Struct, frozen=True):
    """Start a workflow; by `caller`, if another one does."""

    input: Raw
    command_id: str | None = None
    caller: Caller | None = None
    stop: Stop | None = None  # it is not wanted any more
    attributes: dict[str, Attribute] | None = None
    timeout: float | None = None


class Command(Struct, frozen=True):
    """Ask an actor or workflow to do something; by `caller`, if another instance does, which awaits no answer if it `told` it.

    `start`: the arguments of `run`, to start the workflow with if it is not there. `scheduled`: it was accepted before, for now.
    """

    id: str
    name: str
    input: Raw
    caller: Caller | None = None
    told: bool = False
    start: Raw | None = None
    scheduled: bool = False


class CommandEnded(Struct, frozen=True):
    """To an instance that gave another one a command: what became of it."""

    number: int
    actor: str
    outcome: Outcome


class CancelRun(Struct, frozen=True):
    """Ask a workflow to cancel."""

    id: str
    reason: str


class TerminateRun(Struct, frozen=True):
    """End a workflow at once."""

    id: str
    reason: str
    tree: bool


class SettlePromise(Struct, frozen=True):
    """Settle a promise of a workflow."""

    fact: PromiseResolved | PromiseRejected

    @property
    def id(self) -> str:
        """The request's."""
        return self.fact.by


class RunTask(Struct, frozen=True):
    """To a worker: run a task's attempt."""

    scheduled: TaskScheduled
    attempt: int


class TaskEnded(Struct, frozen=True):
    """From a worker: an attempt's outcome."""

    task: int
    attempt: int
    result: Raw | None
    error: ErrorInfo | None
    retryable: bool


class RunLocal(Struct, frozen=True):
    """Inside the node: run a local task's attempt."""

    call: LocalCall
    attempt: int


class LocalEnded(Struct, frozen=True):
    """Inside the node: a local task's outcome, after so many attempts."""

    call: LocalCall
    attempts: int
    result: Raw | None
    error: ErrorInfo | None


class TimerDue(Struct, frozen=True):
    """A durable timer came due."""

    timer: int


class ChildEnded(Struct, frozen=True):
    """A child workflow has ended."""

    number: int
    child: str
    outcome: Outcome


def key_of(mail: Mail) -> tuple[str, int] | None:
    """Give what a message is withdrawn by, if it can be."""
    match mail:
        case RunTask(scheduled=scheduled):
            return ("task", scheduled.task)
        case TimerDue(timer=number):
            return ("timer", number)
        case RunLocal() | LocalEnded():
            return ("local", 0)
        case _:
            return None


Mail = (
    StartRun
    | Command
    | CommandEnded
    | CancelRun
    | TerminateRun
    | SettlePromise
    | RunTask
    | TaskEnded
    | RunLocal
    | LocalEnded
    | TimerDue
    | ChildEnded
)
VOLATILE = (RunLocal, LocalEnded)  # known to the node's memory only: gone when the activation is
