"""One instance, as a test talks to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Raw

from actors.actor import Actor
from actors.attributes import checked
from actors.codec import decode_any, encode
from actors.definition import ActorType, WorkflowType
from actors.errors import DefinitionError, Failure, RunCancelled, RunFailed, RunTerminated, RunTimedOut
from actors.failures import error_info
from actors.history import PastEvent, write_history
from actors.journal import ErrorInfo, PromiseRejected, PromiseResolved, decode_event
from actors.names import stream_name
from actors.testing.errors import CommandFailed, CommandRefused, NothingHappens
from actors.testing.hosted_workflow import HostedWorkflow
from actors.testing.mail import CancelRun, Command, SettlePromise, StartRun, TerminateRun
from actors.testing.watched import Recorded
from actors.testing.world import World
from actors.turn import CANCELLED, TERMINATED, TIMED_OUT, Outcome
from actors.workflow import Workflow


class Instance:
    """A workflow instance or an actor; `WorkflowTest.start` and `.get` give them. Its methods are those of a client, at once."""

    def __init__(
        self, world: World, type: type[Actor] | type[Workflow] | str, id: str, new_id: Callable[[], str]
    ) -> None:
        self._world, self._new_id = world, new_id
        self._kind: ActorType | WorkflowType = world.app.type(type if isinstance(type, str) else type.type_name)
        self.stream = stream_name(self._kind.name, id)
        self.id = id

    def __repr__(self) -> str:
        return f"<{self.stream}, {self.status}>"

    def start(
        self,
        *args: Any,
        command_id: str | None = None,
        search_attributes: Mapping[str, Any] | None = None,
        run_timeout: float | None = None,
        **kwargs: Any,
    ) -> None:
        """Start a workflow, like `WorkflowTest.start`."""
        __tracebackhide__ = True
        if not isinstance(self._kind, WorkflowType):
            raise DefinitionError(f"{self.stream} is an actor: it is not started; `get` it and call a command")
        with self._world.watching():
            input = Raw(self._kind.run_signature.encode(args, kwargs))
        found_by = {name: value for name, value in checked(search_attributes or {}).items() if value is not None}
        start = StartRun(input, command_id or self._new_id(), attributes=found_by or None, timeout=run_timeout)
        self._post(start)

    def call(self, name: str, /, *args: Any, command_id: str | None = None, **kwargs: Any) -> Any:
        """Send a command and wait for its answer.

        Raises:
            UnknownName, InvalidArguments: as a client would.
            CommandFailed: the handler raised a declared failure, such as `Rejected`; see `.type` and `.message`.
            CommandRefused: no such workflow, it has ended, or the id was used for another command.
            NothingHappens: the handler waits for what never comes.
            InstanceStuck: a mistake in the code.
        """
        __tracebackhide__ = True
        command_id = self.send(name, *args, command_id=command_id, **kwargs)
        return self.answer(name, command_id)

    def start_and_call(self, start: Any, name: str, /, *args: Any, command_id: str | None = None, **kwargs: Any) -> Any:
        """Start a workflow unless it is there, and call a command, in one step; `start` holds all arguments of `run`.

        Raises:
            Like `call`. If the command can't be taken, nothing is started.
        """
        __tracebackhide__ = True
        if not isinstance(kind := self._kind, WorkflowType):
            raise DefinitionError(f"{self.stream} is an actor: it is not started; call the command alone")
        arguments = kind.run_signature.decode(encode({} if start is None else start))
        with self._world.watching():
            begin = Raw(kind.run_signature.encode((), arguments))
            input = Raw(kind.command(name).signature.encode(args, kwargs))
        command_id = command_id or self._new_id()
        self._world.post(self.stream, Command(command_id, name, input, start=begin))
        return self.answer(name, command_id)

    def send(self, name: str, /, *args: Any, command_id: str | None = None, **kwargs: Any) -> str:
        """Send a command and let happen what happens at once; gives its id, for `answer`."""
        __tracebackhide__ = True
        with self._world.watching():
            input = Raw(self._kind.command(name).signature.encode(args, kwargs))
        command_id = command_id or self._new_id()
        self._world.post(self.stream, Command(command_id, name, input))
        self._world.run_to(self._world.now)
        return command_id

    def call_later(
        self,
        name: str,
        /,
        *args: Any,
        after: float | timedelta | None = None,
        at: datetime | None = None,
        command_id: str | None = None,
        **kwargs: Any,
    ) -> str:
        """Send a command that is handled after a time (seconds, or a timedelta) or at one; gives its id, for `answer`.

        Raises:
            CommandRefused: neither or both times, no such workflow, or it has ended.
        """
        __tracebackhide__ = True
        if (after is None) == (at is None) or (at is not None and at.tzinfo is None):
            raise CommandRefused("InvalidInput", "say when: either `after`, or `at` with a time zone")
        if isinstance(self._kind, WorkflowType) and self.status != "running":
            refusal = "NotFound" if self.status == "new" else "AlreadyFinished"
            raise CommandRefused(refusal, f"{self.stream} can't be given a command: it is {self.status}")
        with self._world.watching():
            input = Raw(self._kind.command(name).signature.encode(args, kwargs))
        command_id = command_id or self._new_id()
        seconds = after.total_seconds() if isinstance(after, timedelta) else after or 0.0
        due = self._world.now + seconds if at is None else at.timestamp()
        self._world.post(self.stream, Command(command_id, name, input, scheduled=True), due)
        self._world.run_to(self._world.now)
        return command_id

    def answer(self, name: str, command_id: str) -> Any:
        """Wait for the answer to a command that was sent; raises like `call`."""
        __tracebackhide__ = True
        answers, key = self._world.answers, (self.stream, command_id)
        if not self._world.run_until(lambda: key in answers):
            raise NothingHappens(f"command {name} has no answer, and nothing is left to happen: {self._why()}")
        answer = answers[key]
        if isinstance(answer, CommandRefused | CommandFailed):
            raise answer
        if (error := answer.error) is not None:
            raise CommandFailed(f"{name} of {self.stream}", error.type, error.message, error.details_value())
        return self._kind.command(name).signature.decode_result(answer.result or b"null")

    def cancel(self, reason: str = "", *, command_id: str | None = None) -> None:
        """Ask a workflow to cancel, and let happen what happens at once; `result` tells how it ended.

        Raises:
            CommandRefused: there is no such workflow, or it has ended.
        """
        __tracebackhide__ = True
        self._post(CancelRun(command_id or self._new_id(), reason))

    def terminate(self, reason: str = "", *, tree: bool = False, command_id: str | None = None) -> None:
        """End a workflow at once, without running its code; raises like `cancel`. `tree`: its children, too."""
        __tracebackhide__ = True
        self._post(TerminateRun(command_id or self._new_id(), reason, tree))

    def resolve(self, promise: str, value: Any = None, *, command_id: str | None = None) -> bool:
        """Give a workflow the value of a promise; says whether it was this request that settled it.

        Raises:
            CommandRefused: the value does not fit what the code waits for; no such workflow, or it has ended.
        """
        __tracebackhide__ = True
        id = command_id or self._new_id()
        return self._settle(PromiseResolved(promise, Raw(encode(value)), id))

    def reject(
        self, promise: str, message: str, *, error: str = "Rejected", details: Any = None, command_id: str | None = None
    ) -> bool:
        """Settle a promise with a failure of the type `error`; otherwise like `resolve`."""
        __tracebackhide__ = True
        info = error_info(Failure(message, details))
        id = command_id or self._new_id()
        return self._settle(PromiseRejected(promise, ErrorInfo(error, info.message, info.details), id))

    def query(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Ask, also an instance that has ended; raises `UnknownName`, `InvalidArguments`, `CommandFailed`, `Bug`."""
        __tracebackhide__ = True
        signature = self._kind.query(name).signature
        try:
            with self._world.watching():
                input = Raw(self._kind.query(name).signature.encode(args, kwargs))
                return signature.decode_result(self._world.hosted(self.stream).query(name, input))
        except Failure as failure:
            raise CommandFailed(
                f"{name} of {self.stream}", type(failure).__name__, failure.message, failure.details
            ) from failure

    def result(self) -> Any:
        """Wait for a workflow's result; days pass if need be.

        Raises:
            RunFailed: the run raised a declared failure; `.type` names it.
            RunCancelled, RunTerminated: it was.
            NothingHappens: it waits for what never comes: a command, or a condition.
            InstanceStuck: a mistake in its code.
        """
        __tracebackhide__ = True
        kind = self._kind
        if not isinstance(kind, WorkflowType):
            raise DefinitionError(f"{self.stream} is an actor: it has no result")
        if not self._world.run_until(lambda: self._outcome is not None):
            raise NothingHappens(f"{self.stream} never ends: nothing is left to happen, and {self._why()}")
        outcome = self._outcome or Outcome()
        if (error := outcome.error) is not None:
            ends = {CANCELLED: RunCancelled, TERMINATED: RunTerminated, TIMED_OUT: RunTimedOut}
            ended = ends.get(outcome.ended or "", RunFailed)
            raise ended(self.stream, error.type, error.message, error.details_value())
        return kind.run_signature.decode_result(outcome.result or b"null")

    @property
    def status(self) -> str:
        """`running`, `completed`, `failed`, `cancelled`, `terminated`, `timed_out`; of an actor `active`, of what nothing has happened to yet `new`."""
        hosted = self._world.hosted(self.stream)
        if not hosted.journal:
            return "new"
        if not isinstance(hosted, HostedWorkflow):
            return "active"
        outcome = self._outcome
        return "running" if outcome is None else outcome.status

    def end(self) -> Any:
        """Give how a workflow has ended as plain values: its result or its error; None while it runs, and for actors."""
        outcome = self._outcome
        if outcome is None:
            return None
        if (error := outcome.error) is not None:
            return {"error": error.type, "message": error.message, "details": error.details_value()}
        return {"result": decode_any(outcome.result or b"null")}

    @property
    def state(self) -> Any:
        """A workflow's attributes, or an actor's `state`."""
        return self._world.hosted(self.stream).state()

    @property
    def attributes(self) -> dict[str, Any]:
        """A workflow's search attributes."""
        hosted = self._world.hosted(self.stream)
        return dict(hosted.execution.ledger.attributes or {}) if isinstance(hosted, HostedWorkflow) else {}

    @property
    def events(self) -> list[Any]:
        """Its journal so far: an actor's own events, or what `actors.journal` knows of a workflow."""
        return [self._decode(recorded) for recorded in self._world.hosted(self.stream).journal]

    def waiting_for(self) -> str:
        """Say in words what it waits for now."""
        return ", ".join(self._world.hosted(self.stream).waiting_for()) or "nothing"

    def history(self) -> bytes:
        """Give its journal as a history file, for `assert_replays` and `perdure replay`: write it where tests find it."""
        journal = self._world.hosted(self.stream).journal
        events = [
            PastEvent(version=e.version, type=e.type, data=e.data, recorded_at=e.recorded_at, schema=e.schema)
            for e in journal
        ]
        return b"".join(write_history(self.stream, events, status=self.status))

    # -- inside -------------------------------------------------------------------------------------------

    @property
    def _outcome(self) -> Outcome | None:
        hosted = self._world.hosted(self.stream)
        return hosted.execution.outcome if isinstance(hosted, HostedWorkflow) else None

    def _decode(self, recorded: Recorded) -> Any:
        handler = self._kind.events.get(recorded.type) if isinstance(self._kind, ActorType) else None
        return decode_event(recorded.type, recorded.data) if handler is None else handler.decode(recorded.data)

    def _settle(self, fact: PromiseResolved | PromiseRejected) -> bool:
        __tracebackhide__ = True
        self._post(SettlePromise(fact))
        hosted = self._world.hosted(self.stream)
        won = hosted.execution.ledger.promises.get(fact.name) if isinstance(hosted, HostedWorkflow) else None
        return won is not None and won.by == fact.by

    def _post(self, mail: StartRun | CancelRun | TerminateRun | SettlePromise) -> None:
        """Deliver what is answered at once, or refused."""
        __tracebackhide__ = True
        self._world.post(self.stream, mail)
        self._world.run_to(self._world.now)
        id = mail.command_id or "" if isinstance(mail, StartRun) else mail.id
        if isinstance(refused := self._world.answers.get((self.stream, id)), CommandRefused):
            raise refused

    def _why(self) -> str:
        waits = self.status in {"running", "active"}
        return f"{self.stream} waits for {self.waiting_for()}" if waits else f"it is {self.status}"
