"""One instance in a test: its durable part, and the activation that comes and goes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from msgspec import Raw

from actors.codec import canonical
from actors.continuation import last_run
from actors.definition import ActorType, WorkflowType
from actors.errors import Bug, Failure, InvalidInput, Nondeterminism, SnapshotRefused
from actors.failures import error_info
from actors.journal import Caller, CommandReceived, ErrorInfo
from actors.promise import MAX_NAME, is_promise_name
from actors.testing.errors import CommandFailed, CommandRefused, InstanceStuck, StoryFailed, in_users_code
from actors.testing.json_check import JsonCheck
from actors.testing.mail import (
    CancelRun,
    ChildEnded,
    Command,
    CommandEnded,
    LocalEnded,
    Mail,
    SettlePromise,
    StartRun,
    TaskEnded,
    TerminateRun,
    TimerDue,
)
from actors.testing.watched import Journal, WatchedEntity, WatchedExecution
from actors.turn import LocalCall, Turn

NULL = Raw(b"null")


class Hosted(ABC):
    """An instance: `journal` is durable, the activation is dropped and made again from it."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.journal = Journal()

    @abstractmethod
    def take(self, mail: Mail, at: float) -> Turn:
        """Handle a message in memory; a repeated one gives an empty turn. Raises `CommandRefused`, `CommandFailed` (by a validator), `InstanceStuck`."""

    @abstractmethod
    def caller_of(self, command_id: str) -> Caller | None:
        """Say which instance awaits the answer to a command that was accepted; None for none, and for the test."""

    @abstractmethod
    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query; raises as the model's activations do."""

    @abstractmethod
    def state(self) -> Any:
        """Give the state for a person: of a workflow its attributes, of an actor its state."""

    @abstractmethod
    def drop(self) -> None:
        """Lose the activation and all that was not committed."""

    def commit(self, mail: Mail, turn: Turn, at: float) -> None:  # noqa: ARG002 - actors remember commands
        """Make the turn of a message durable."""
        self.journal.append_all(turn.events, at)

    @property
    def busy(self) -> bool:
        """Whether local tasks run for it, which only its memory knows of."""
        return False

    def reloaded(self) -> list[LocalCall]:
        """Make the activation again if it was dropped; gives the local tasks that have to run again."""
        return []


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
        self.reloaded()
        assert self._execution is not None  # noqa: S101 - for the type checker
        return self._execution

    @property
    def busy(self) -> bool:
        """See `Hosted`."""
        return bool(self.execution.pending_local_calls())

    def reloaded(self) -> list[LocalCall]:
        """See `Hosted`. A replay that differs is the code's mistake."""
        __tracebackhide__ = True
        if self._execution is not None:
            return []
        self._execution = execution = WatchedExecution(self.kind, self.stream)
        try:
            run, before = last_run(self.journal)
            execution.replay(self.journal[before:], run)
        except (Nondeterminism, Bug):
            raise self._stuck("was rebuilt from its journal", execution) from execution.trouble
        return execution.pending_local_calls()

    def take(self, mail: Mail, at: float) -> Turn:
        """See `Hosted`."""
        __tracebackhide__ = True
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

    def drop(self) -> None:
        """See `Hosted`."""
        if self._execution is not None:
            self._execution.dispose()
            self._execution = None

    def commit(self, mail: Mail, turn: Turn, at: float) -> None:
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
        with _judging(self.stream, mail):
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

    def _command_ended(self, mail: CommandEnded, at: float) -> Turn:
        return self.execution.command_answered(mail.number, mail.actor, mail.outcome, at)

    def _task_ended(self, mail: TaskEnded, at: float) -> Turn:
        execution = self.execution
        if mail.error is None:
            return execution.task_completed(mail.task, mail.result or NULL, at)
        open_task = execution.ledger.tasks.get(mail.task)
        if open_task is None or open_task.attempt != mail.attempt:
            return Turn()
        retry = execution.kind.tasks[open_task.scheduled.name].retry
        delay = retry.delay_after(mail.attempt, 0.0) if mail.retryable and open_task.awaited else None
        if delay is None:
            return execution.task_failed(mail.task, mail.error, mail.attempt, at)
        return execution.task_attempt_failed(mail.task, mail.attempt, mail.error, at + delay, at)

    def _local_ended(self, mail: LocalEnded, at: float) -> Turn:
        call = mail.call
        if mail.error is None:
            return self.execution.task_completed(call.task, mail.result or NULL, at, local=call.name)
        return self.execution.task_failed(call.task, mail.error, mail.attempts, at, local=call.name)

    def _timer_due(self, mail: TimerDue, at: float) -> Turn:
        return self.execution.timer_fired(mail.timer, at)

    def _child_ended(self, mail: ChildEnded, at: float) -> Turn:
        return self.execution.child_ended(mail.number, mail.child, mail.outcome, at)

    # A new kind of message adds a method and its line here.
    _TAKE: ClassVar[dict[type, Callable[[HostedWorkflow, Any, float], Turn]]] = {
        StartRun: _start,
        Command: _command,
        CommandEnded: _command_ended,
        CancelRun: _cancel,
        TerminateRun: _terminate,
        SettlePromise: _settle,
        TaskEnded: _task_ended,
        LocalEnded: _local_ended,
        TimerDue: _timer_due,
        ChildEnded: _child_ended,
    }


class HostedActor(Hosted):
    """An actor. Its inbox is durable, and so is its newest snapshot, if `snapshots` are taken at every event."""

    def __init__(self, kind: ActorType, stream: str, *, snapshots: bool, check: JsonCheck | None) -> None:
        super().__init__(stream)
        self.kind, self._snapshots, self._check = kind, snapshots, check
        self._inbox: dict[str, Command] = {}
        self._snapshot: tuple[int, bytes] | None = None
        self._entity: WatchedEntity | None = None

    @property
    def entity(self) -> WatchedEntity:
        """The activation."""
        __tracebackhide__ = True
        if self._entity is not None:
            return self._entity
        try:
            entity = WatchedEntity(self.kind, self.stream, None if self._check is None else self._check.event)
            if self._snapshot is not None:
                entity.restore(*self._snapshot)
            entity.replay(self.journal[entity.version :])
        except (Nondeterminism, Bug) as error:
            raise InstanceStuck(f"{self.stream} can't be rebuilt from its events: {error}") from (
                error.__cause__ or error
            )
        self._entity = entity
        return entity

    def take(self, mail: Mail, at: float) -> Turn:
        """See `Hosted`."""
        __tracebackhide__ = True
        if isinstance(mail, CommandEnded):
            return Turn()  # the receipt for what it told
        if not isinstance(mail, Command) or mail.start is not None:
            raise CommandRefused("InvalidInput", f"{self.stream} is an actor: it has no start and no end")
        if (handled := self._inbox.get(mail.id)) is not None:
            if handled != mail:
                raise CommandRefused("Conflict", f"command id {mail.id} was used for other input")
            return Turn()
        with _judging(self.stream, mail):
            if self.kind.command(mail.name).validator is not None:
                self.entity.validate(mail.name, mail.input)
        try:
            return self.entity.command(mail.id, mail.name, mail.input, at)
        except Bug as bug:
            raise InstanceStuck(str(bug)) from in_users_code(bug.__cause__ or bug)

    def commit(self, mail: Mail, turn: Turn, at: float) -> None:
        """See `Hosted`."""
        super().commit(mail, turn, at)
        if isinstance(mail, Command):
            self._inbox[mail.id] = mail
        if self.entity.dirty:
            self.drop()
        elif turn.events and (self._snapshots or self._check is not None):
            self._take_snapshot()

    def caller_of(self, command_id: str) -> Caller | None:
        """See `Hosted`."""
        mail = self._inbox.get(command_id)
        return None if mail is None or mail.told else mail.caller

    def query(self, name: str, input: Raw) -> bytes:
        """See `Hosted`."""
        return self.entity.query(name, input)

    def state(self) -> Any:
        """See `Hosted`."""
        return self.entity.live_state

    def drop(self) -> None:
        """See `Hosted`."""
        self._entity = None

    def _take_snapshot(self) -> None:
        self._snapshot = None  # if there is none, the events are folded, as on a node
        try:
            snapshot = self.entity.snapshot()
        except SnapshotRefused as refused:
            if self._check is not None:
                self._check.state(self.stream, refused)
        else:
            if self._snapshots:
                self._snapshot = (self.entity.version, snapshot)


@contextmanager
def _judging(stream: str, mail: Command) -> Iterator[None]:
    """Turn what speaks against a command into its answer."""
    __tracebackhide__ = True
    try:
        yield
    except InvalidInput as error:
        raise CommandRefused(type(error).__name__, str(error)) from None
    except Failure as refused:
        info = error_info(refused)
        raise CommandFailed(f"{mail.name} of {stream}", info.type, info.message, info.details_value()) from refused
    except Bug as bug:
        raise StoryFailed(str(bug)) from in_users_code(bug.__cause__ or bug)
