"""One activation of one workflow instance: messages in, turns out.

Each sort of message has a method here, which says when it is news: what is not, such as a second outcome of a task, gives
an empty turn. How a fact becomes a turn is told in `turn_maker`, how an instance comes back from its journal in `recovery`,
what people do to it by hand in `correcting`.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, UnsetType

from actors.attributes import Attribute
from actors.consequences import DEADLINE
from actors.continuation import as_continued
from actors.correcting import Correcting
from actors.errors import Bug
from actors.journal import (
    Caller,
    CancelRequested,
    ChildCompleted,
    ChildFailed,
    CommandAnswered,
    CommandReceived,
    Correction,
    ErrorInfo,
    InstanceDeleted,
    PromiseRejected,
    PromiseResolved,
    RunStarted,
    RunTerminated,
    RunTimedOut,
    Stop,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TimerFired,
)
from actors.turn import Outcome, Turn

_MICROSECOND = 1e-6  # timers are kept to that
_FAR = 2**20  # further than the numbers of any one run are expected to go


class Execution(Correcting):
    """See the module's docstring."""

    __slots__ = ()

    # -- messages -------------------------------------------------------------------------------------------

    def start(
        self,
        input: Raw,
        command_id: str | None,
        at: float,
        caller: Caller | None = None,
        stop: Stop | None = None,
        *,
        attributes: dict[str, Attribute] | None = None,
        memo: Raw | UnsetType = UNSET,
        timeout: float | None = None,
        correction: Correction | None = None,
    ) -> Turn:
        """Create the instance, or start it again when it has ended. The arguments must have been checked with `kind.run_signature`, for else it gets stuck.

        With `stop` it ends at once, for its caller changed its mind; its code never runs. `timeout`, in seconds, stands for
        that of its class. `correction`: somebody has it start again by hand.
        """
        again = self.version > 0  # ended, or deleted
        kind = self.kind.newest if again else self.kind
        lasts = kind.run_timeout if timeout is None else timeout
        deadline = None if lasts is None else at + lasts
        started = RunStarted(
            input, command_id, caller, kind.version, stop, attributes, memo, deadline=deadline, correction=correction,
            timeout=timeout,
        )  # fmt: skip
        self.ledger.start_schema = 1  # unless it turns out to be another
        if again:
            started.again, started.asked = True, self._asked
            if self.outcome is not None:
                started.said = self.program.said_of_late(at)
            return self._start_again(started, at)
        turn = self._take(started, at)
        if stop is not None and stop.how == "terminate":
            self._append(turn, RunTerminated(command_id or "", stop.reason, stop.tree))
        return turn

    @property
    def _asked(self) -> int:
        """How many operations were numbered, at most: code that broke early has not asked for all of them."""
        return max(self.program.asked, self.ledger.before) + (_FAR if self.broken is not None else 0)

    def deleted(self) -> InstanceDeleted:
        """Give what is left of the instance when it is deleted, in place of all its events."""
        return InstanceDeleted(self._asked, self.ledger.run)

    def stop(self, stop: Stop, id: str, at: float) -> Turn:
        """Cancel or terminate, as a caller wants it; an empty turn when that was done."""
        if stop.how == "cancel":
            return self.cancel(id, stop.reason, at)
        return self.terminate(id, stop.reason, tree=stop.tree)

    def command(
        self, id: str, name: str, input: Raw, at: float, caller: Caller | None = None, *, told: bool = False
    ) -> Turn:
        """Take a command. Its name and arguments must have been checked with `kind.commands`, unless it is parked."""
        unchecked = self.parked or self.ledger.paused is not None
        return self._take(CommandReceived(id, name, input, unchecked, caller, told), at)

    def cancelled_command(self, id: str, name: str, input: Raw, at: float) -> Turn:
        """Take a command that was cancelled before it was due: without its handler, it fails with `CommandCancelled`."""
        return self._take(CommandReceived(id, name, input, cancelled=True), at)

    def cancel(self, id: str, reason: str, at: float, by: str = "") -> Turn:
        """Ask the code for its end, as `asyncio.Task.cancel` does.

        An empty turn when the run was asked before, when a former run was asked by this very request, or at the end.
        """
        if self.outcome is not None or self.ledger.cancel is not None or self.ledger.cancel_id == id:
            return Turn()
        return self._take(CancelRequested(id, reason, by), at)

    def terminate(self, id: str, reason: str, *, tree: bool = False, by: str = "") -> Turn:
        """End the run at once, also a broken one's, without running its code; an empty turn when it has ended."""
        turn = Turn()
        if self.outcome is None:
            self._append(turn, RunTerminated(id, reason, tree, by))
        return turn

    def task_completed(self, task: int, result: Raw, at: float, *, local: str | None = None) -> Turn:
        """Take a task's result; `local` is the name of a local task. An empty turn when it has an outcome already."""
        if not self.ledger.is_new_outcome(task, local=local is not None):
            return Turn()
        return self._take(TaskCompleted(task, result, local), at)

    def task_failed(self, task: int, error: ErrorInfo, attempts: int, at: float, *, local: str | None = None) -> Turn:
        """Take a task's final failure; `local` is the name of a local task."""
        if not self.ledger.is_new_outcome(task, local=local is not None):
            return Turn()
        return self._take(TaskFailed(task, error, attempts, local), at)

    def task_attempt_failed(self, task: int, attempt: int, error: ErrorInfo, retry_at: float, at: float) -> Turn:
        """Record a failed attempt that another one follows; an empty turn when it is not the current attempt."""
        open_task = self.ledger.tasks.get(task)
        if open_task is None or open_task.attempt != attempt or self.outcome is not None:
            return Turn()
        return self._take(TaskAttemptFailed(task, attempt, error, retry_at), at)

    def child_ended(self, child: int, stream: str, outcome: Outcome, at: float) -> Turn:
        """Take how a child workflow ended; an empty turn when this stream owes no such outcome, or when the run has ended."""
        started = self.ledger.children.get(child)
        if started is None or started.stream != stream or self.outcome is not None:
            return Turn()
        if outcome.error is not None:
            return self._take(ChildFailed(child, outcome.error, outcome.ended), at)
        return self._take(ChildCompleted(child, outcome.result or Raw(b"null")), at)

    def command_answered(self, command: int, stream: str, outcome: Outcome, at: float) -> Turn:
        """Take another actor's answer to a command; an empty turn when this stream owes no such answer."""
        sent = self.ledger.sent.get(command)
        if sent is None or sent.stream != stream or self.outcome is not None:
            return Turn()
        return self._take(CommandAnswered(command, outcome.result or Raw(b"null"), outcome.error), at)

    def check_promise(self, fact: PromiseResolved | PromiseRejected) -> None:
        """See that a promise's value fits what the code waits for, as far as that is known; raises `InvalidArguments`."""
        if self.broken is None and isinstance(fact, PromiseResolved):
            self.program.promises.check(fact.name, fact.result)

    def settle_promise(self, fact: PromiseResolved | PromiseRejected, at: float) -> Turn:
        """Take what settles a promise; an empty turn when another one did, or when the run has ended."""
        if self.outcome is not None or fact.name in self.ledger.promises:
            return Turn()
        return self._take(fact, at)

    def timer_fired(self, number: int, at: float) -> Turn:
        """Take a timer that came due; an empty turn when nobody waits for it any more."""
        if number == DEADLINE:
            return self._time_out(at)
        behind = (
            self.broken is not None or self.ledger.paused is not None
        )  # the code has not heard of all that is recorded
        waited_for = number in (self.ledger.timers if behind else self.program.timers)
        if not waited_for or self.outcome is not None:
            return Turn()
        return self._take(TimerFired(number), at)

    # -- looking at it ----------------------------------------------------------------------------------------

    def validate(self, name: str, input: Raw, at: float) -> None:
        """Ask a command's validator about the state in memory; not while the instance is broken: it has no state then.

        Raises:
            Failure: the command is refused.
            Bug: the validator raised something undeclared.
        """
        self.program.validate(name, input, at)

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query from the state in memory.

        Raises:
            InvalidInput: an unknown name, or arguments that do not fit.
            Bug: the instance is broken, or the query raised something undeclared.
            Failure: the query raised it.
        """
        if self.broken is not None:
            if not self.parked:
                self.kind.query(name).signature.decode(input)
            raise Bug(f"{self.stream} is stuck, so its state is not known: {self.broken.type}: {self.broken.message}")
        return self.program.query(name, input)

    def state(self) -> dict[str, Any]:
        """Give the instance's attributes: what a person wants to see of it."""
        instance = self.program.instance
        attributes = {} if instance is None else vars(instance)
        return {name: value for name, value in attributes.items() if name != "_perdure"}

    def waiting_for(self) -> list[str]:
        """Say in words what the code waits for now."""
        return self.program.waiting_for()

    # -- inside -------------------------------------------------------------------------------------------

    def _start_again(self, started: RunStarted, at: float) -> Turn:
        turn = Turn()
        self.parked, self._owed, self._held = False, (), []  # what the former run still wanted it wants no more
        self.last_turn = None
        self._append(turn, started)
        try:
            self._begin(turn, as_continued(started), at, 1)
            self._settle(turn, at)
        except Bug as bug:
            self._crash(turn, bug)
        return turn

    def _time_out(self, at: float) -> Turn:
        """End the instance at once, without running its code."""
        turn, ledger = Turn(), self.ledger
        if self.outcome is None and ledger.deadline is not None and at + _MICROSECOND > ledger.deadline:
            self._append(turn, RunTimedOut(ledger.deadline))
        return turn
