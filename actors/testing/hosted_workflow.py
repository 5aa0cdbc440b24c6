"""A workflow instance in a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from msgspec import Raw

from actors.codec import canonical
from actors.continuation import last_run
from actors.definition import WorkflowType
from actors.errors import Bug, InvalidInput, Nondeterminism
from actors.journal import Caller, CommandReceived, ErrorInfo
from actors.promise import MAX_NAME, is_promise_name
from actors.testing.errors import CommandFailed, CommandRefused, InstanceStuck
from actors.testing.hosted import Hosted, judging
from actors.testing.mail import CancelRun, Command, Mail, SettlePromise, StartRun, TerminateRun
from actors.testing.outcomes import OUTCOMES
from actors.testing.watched import WatchedExecution
from actors.turn import Turn


class HostedWorkflow(Hosted):
    """A workflow instance."""

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        super().__init__(stream)
        self.kind = kind
        self._execution: WatchedExecution | None = WatchedExecution(kind, stream)
        self._former: dict[str, CommandReceived] = {}  # commands that runs before the last one have taken, by id

    @property
    def execution(self) -> WatchedExecution:
        """The activation."""
        self.reloaded(0.0)
        assert self._execution is not None  # noqa: S101 - for the type checker
        return self._execution

    @property
    def busy(self) -> bool:
        """See `Hosted`."""
        return bool(self.execution.pending_local_calls())

    def reloaded(self, at: float) -> Turn:  # noqa: ARG002 - a replay has its own time
        """See `Hosted`. A replay that differs is the code's mistake."""
        __tracebackhide__ = True
        if self._execution is not None:
            return Turn()
        self._execution = execution = WatchedExecution(self.kind, self.stream)
        try:
            run, before = last_run(self.journal)
            execution.replay(self.journal[before:], run)
        except (Nondeterminism, Bug):
            raise self._stuck("was rebuilt from its journal", execution) from execution.trouble
        return Turn(local_calls=execution.pending_local_calls())

    def take(self, mail: Mail, at: float) -> Turn:
        """See `Hosted`."""
        __tracebackhide__ = True
        if (outcome := OUTCOMES.get(type(mail))) is not None:
            turn = outcome(self.execution, mail, at)
        else:
            turn = self._TAKE[type(mail)](self, mail, at)
        if turn.stuck is not None:
            raise self._stuck(f"handled {type(mail).__name__}", self.execution) from self.execution.trouble
        return turn

    def caller_of(self, command_id: str) -> Caller | None:
        """See `Hosted`."""
        taken = self.execution.ledger.commands.get(command_id)
        received = self._former.get(command_id) if taken is None else taken.received
        return None if received is None or received.told else received.caller

    def query(self, name: str, input: Raw) -> bytes:
        """See `Hosted`."""
        return self.execution.query(name, input)

    def state(self) -> dict[str, Any]:
        """See `Hosted`."""
        return self.execution.state()

    def waiting_for(self) -> list[str]:
        """See `Hosted`."""
        return self.execution.waiting_for()

    def drop(self) -> None:
        """See `Hosted`."""
        if self._execution is not None:
            self._execution.dispose()
            self._execution = None

    def commit(self, mail: Mail | None, turn: Turn, at: float) -> None:
        """See `Hosted`."""
        super().commit(mail, turn, at)
        self._former |= {taken.received.id: taken.received for taken in turn.left or ()}

    def _stuck(self, when: str, execution: WatchedExecution) -> InstanceStuck:
        error = execution.broken or ErrorInfo("Bug", "unknown")
        return InstanceStuck(f"{self.stream} is stuck, when it {when}: {error.type}: {error.message}")

    def _start(self, mail: StartRun, at: float) -> Turn:
        execution = self.execution
        if (started := execution.ledger.start) is None:
            return execution.start(
                mail.input,
                mail.command_id,
                at,
                mail.caller,
                mail.stop,
                attributes=mail.attributes,
                timeout=mail.timeout,
            )
        if canonical(started.input) == canonical(mail.input) and started.caller == mail.caller:
            return Turn() if mail.stop is None else execution.stop(mail.stop, mail.command_id or "", at)
        if mail.caller is None:
            raise CommandRefused("Conflict", f"{self.stream} was started with other input")
        note = f"{self.stream} was started by somebody else; a child's id is its own: take another one"
        raise CommandRefused("Conflict", note)

    def _command(self, mail: Command, at: float) -> Turn:
        execution = self.execution
        ledger = execution.ledger
        if ledger.start is None:
            return self._start_with(mail, at)
        taken = ledger.commands.get(mail.id)
        if (received := self._former.get(mail.id) if taken is None else taken.received) is not None:
            if received.name != mail.name or canonical(received.input) != canonical(mail.input):
                raise CommandRefused("Conflict", f"command id {mail.id} was used for other input")
            return Turn()
        if (outcome := ledger.outcome) is not None:
            raise CommandRefused(
                "AlreadyFinished", f"{self.stream} has ended ({outcome.status}) and takes no more commands"
            )
        with judging(self.stream, mail):
            if execution.kind.command(mail.name).validator is not None:
                execution.validate(mail.name, mail.input, at)
        return execution.command(mail.id, mail.name, mail.input, at, mail.caller, told=mail.told)

    def _start_with(self, mail: Command, at: float) -> Turn:
        if mail.start is None:
            raise CommandRefused("NotFound", f"there is no {self.stream}: start it first")
        begun = self.execution.start(mail.start, mail.id, at)
        if begun.stuck is not None:
            return begun
        try:
            return begun.followed_by(self._command(mail, at))
        except (CommandRefused, CommandFailed):
            self.drop()  # both or nothing
            raise

    def _cancel(self, mail: CancelRun, at: float) -> Turn:
        ledger = self.execution.ledger
        self._check_end(ledger.cancel is not None and ledger.cancel.id == mail.id, "cancelled")
        return self.execution.cancel(mail.id, mail.reason, at)

    def _terminate(self, mail: TerminateRun, at: float) -> Turn:  # noqa: ARG002 - no code is run
        ledger = self.execution.ledger
        self._check_end(ledger.terminated is not None, "terminated")
        return self.execution.terminate(mail.id, mail.reason, tree=mail.tree)

    def _settle(self, mail: SettlePromise, at: float) -> Turn:
        execution, fact = self.execution, mail.fact
        if not is_promise_name(fact.name):
            raise CommandRefused(
                "InvalidInput", f"{fact.name!r} can't name a promise: at most {MAX_NAME} printable characters"
            )
        self._check_end(fact.name in execution.ledger.promises, "given a promise's value")
        try:
            execution.check_promise(fact)
        except InvalidInput as error:
            raise CommandRefused(type(error).__name__, str(error)) from None
        return execution.settle_promise(fact, at)

    def _check_end(self, repeated: bool, what: str) -> None:
        ledger = self.execution.ledger
        if ledger.start is None:
            raise CommandRefused("NotFound", f"there is no {self.stream}: start it first")
        if ledger.outcome is not None and not repeated:
            raise CommandRefused("AlreadyFinished", f"{self.stream} has ended and can't be {what} any more")

    # A new kind of message adds a method and its line here.
    _TAKE: ClassVar[dict[type, Callable[[HostedWorkflow, Any, float], Turn]]] = {
        StartRun: _start,
        Command: _command,
        CancelRun: _cancel,
        TerminateRun: _terminate,
        SettlePromise: _settle,
    }
