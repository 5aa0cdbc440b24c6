"""Given these events, when this command, then those events: a test of an actor in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from msgspec import UNSET, Raw

from actors.actor import Actor
from actors.app import App
from actors.codec import decode_any, encode
from actors.definition import ActorType
from actors.errors import DefinitionError, Failure, PayloadRefused, Rejected, SnapshotRefused
from actors.failures import error_info
from actors.journal import ErrorInfo
from actors.names import stream_name
from actors.testing.difference import difference, partial_difference, shown
from actors.testing.json_check import JsonCheck
from actors.testing.watched import Journal, WatchedEntity, rebuilt
from actors.turn import Answer, NewRecord, Outcome, Turn
from actors.workflow import Workflow

_START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def scenario(
    actor: type[Actor], id: str = "1", *, others: Iterable[type[Actor] | type[Workflow]] = (), check_json: bool = False
) -> Scenario:
    """Begin a test of one actor.

        scenario(Account).given(Deposited(100)).when("withdraw", 30).then(Withdrawn(30), answers=70)
        scenario(Account).given(Deposited(10)).when("withdraw", 30).rejected("insufficient funds")

    Everything goes through JSON as it does in a node. After each command the actor is also folded from its events
    alone, and that must give the same state.

    Args:
        actor: its class; it need not be in an `App`.
        id: of the instance, for actors that look at theirs.
        others: the classes that it gives commands to.
        check_json: whether arguments, events, answers and the state must come back from JSON as they are, too.

    Raises:
        DefinitionError: the class can't work; InvalidId: the id is not allowed.
    """
    app = App(actors=[actor, *others])
    kind = app.type(actor.type_name)
    if not isinstance(kind, ActorType):
        raise DefinitionError(f"{actor.__name__} is no Actor; for a workflow use actors.testing.WorkflowTest")
    return Scenario(kind, stream_name(kind.name, id), JsonCheck(app) if check_json else None)


class Scenario:
    """See `scenario`, which makes them. `given`, `when`, `then` may follow each other as often as needed."""

    def __init__(self, kind: ActorType, stream: str, check: JsonCheck | None = None) -> None:
        self._kind, self._stream, self._check = kind, stream, check
        self._journal = Journal()
        self._entity = self._rebuilt()
        self._given: list[str] = []
        self._command: str | None = None
        self._turn = Turn()
        self._result: Any = None
        self._error: ErrorInfo | None = None

    @property
    def state(self) -> Any:
        """The actor's state now."""
        return self._entity.live_state

    @property
    def events(self) -> list[Any]:
        """All events so far, the given ones and the emitted ones, as objects."""
        own = {handler.event_type for handler in self._kind.events.values()}
        return [event for event in WatchedEntity(self._kind, self._stream).steps(self._journal) if type(event) in own]

    @property
    def told(self) -> list[tuple[str, str, Any]]:
        """The commands that the newest command told others: stream, name, arguments."""
        return [(sent.stream, sent.name, decode_any(sent.input)) for sent in self._turn.sent or ()]

    def given(self, *events: object) -> Self:
        """Let these events have happened.

        Raises:
            DefinitionError: no `@event` method takes one of them.
            PayloadRefused: one can't be stored, or does not fit its own annotations.
            Bug: an `@event` method raised; its cause is what it raised.
        """
        __tracebackhide__ = True
        for event in events:
            handler = self._kind.events.get(type(event).__name__)
            if handler is None or handler.event_type is not type(event):
                known = ", ".join(sorted(self._kind.events)) or "none"
                raise DefinitionError(
                    f"{self._kind.name} has no @event method for {type(event).__name__}; it knows: {known}"
                )
            data = encode(event)
            try:
                handler.decode(data)
            except PayloadRefused as error:
                raise PayloadRefused(f"given {shown(event)}: {error}") from None
            if self._check is not None:
                with self._check.watching():
                    self._check.event(self._kind, event)
            self._journal.append_all([NewRecord(type(event).__name__, data, handler.schema)], _START)
            self._entity.replay(self._journal[-1:])
            self._given.append(shown(event))
        return self

    def given_recorded(self, type: str, data: Any, *, schema: int = 1) -> Self:
        """Let an event have been recorded in an older form, which upcasters turn into today's.

        Args:
            type: its name.
            data: as JSON-like values.
            schema: which form that is.

        Raises:
            Nondeterminism: the type is not known. Bug: an upcaster or the `@event` method raised; its cause is what.
        """
        __tracebackhide__ = True
        self._journal.append_all([NewRecord(type, encode(data), schema)], _START)
        self._entity.replay(self._journal[-1:])
        self._given.append(f"{type} of form {schema}")
        return self

    def when(self, command: str, /, *args: Any, **kwargs: Any) -> Self:
        """Send a command.

        Raises:
            UnknownName: it has no such command; InvalidArguments: they do not fit; DefinitionError: it is async.
            Bug: the handler raised something undeclared; its cause is what it raised.
            AssertionError: the command changed the state without an event; NotPreserved: see `check_json`.
        """
        __tracebackhide__ = True
        said = [shown(value) for value in args] + [f"{name}={shown(value)}" for name, value in kwargs.items()]
        self._command = f"{command}({', '.join(said)})" + (f" after {', '.join(self._given)}" if self._given else "")
        if self._check is None:
            self._send(command, args, kwargs)
        else:
            with self._check.watching():
                self._send(command, args, kwargs)
        self._check_fold()
        self._given = []
        return self

    def then(self, *events: object, answers: Any = UNSET, state: Any = UNSET, tells: Any = UNSET) -> Self:
        """Assert what the command led to.

        Args:
            events: all that it emitted, in order; none: that it emitted nothing.
            answers: what its caller hears.
            state: the state after it; or a dict with some of its attributes.
            tells: the commands that it told others, as in `told`: `[("Ledger/2026", "book", {"line": "-3"})]`.
        """
        __tracebackhide__ = True
        what = self._asked()
        if self._error is not None:
            wanted = _listed([shown(event) for event in events])
            raise AssertionError(
                f"{what}\n  expected events: {wanted}\n  but it was refused: {self._error.type}: {self._error.message}"
            )
        self._check_events(what, list(events))
        if answers is not UNSET and (found := difference(answers, self._result, "answer")) is not None:
            raise AssertionError(f"{what}\n  {found}")
        if state is not UNSET:
            self._check_state(what, state)
        if tells is not UNSET and (found := difference(tells, self.told, "told")) is not None:
            raise AssertionError(f"{what}\n  {found}")
        return self

    def rejected(self, message: str = "", *, by: type[Failure] = Rejected, state: Any = UNSET) -> Self:
        """Assert that the command was refused and left no event.

        Args:
            message: what the refusal's message must hold.
            by: the declared failure that refused it, exactly.
            state: as in `then`.
        """
        __tracebackhide__ = True
        what = self._asked()
        wanted = f"{by.__name__}: …{message}…" if message else by.__name__
        if self._error is None:
            emitted = _listed([shown(event) for event in self._emitted()])
            raise AssertionError(
                f"{what}\n  expected refusal: {wanted}\n  but it was taken: emitted {emitted}, "
                f"answered {shown(self._result)}"
            )
        if self._error.type != by.__name__ or message not in self._error.message:
            raise AssertionError(
                f"{what}\n  expected refusal: {wanted}\n  actual refusal:   {self._error.type}: {self._error.message}"
            )
        if state is not UNSET:
            self._check_state(what, state)
        return self

    def query(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Answer a query; raises `UnknownName`, `InvalidArguments`, `Bug`, or the declared failure of the query."""
        __tracebackhide__ = True
        signature = self._kind.query(name).signature
        return signature.decode_result(self._entity.query(name, Raw(signature.encode(args, kwargs))))

    # -- inside -------------------------------------------------------------------------------------------

    def _judged(self, id: str, command: str, input: Raw) -> Turn:
        """Ask the command's validator, and then the command."""
        try:
            self._entity.validate(command, input)
        except Failure as refused:
            return Turn(answers=[Answer(id, Outcome(error=error_info(refused)))])
        return self._entity.command(id, command, input)

    def _asked(self) -> str:
        if self._command is None:
            raise AssertionError(f"{self._stream}: no command was sent yet; put .when(…) before this")
        return f"{self._stream}: {self._command}"

    def _send(self, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        __tracebackhide__ = True
        handler, entity = self._kind.command(command), self._entity
        if handler.is_async:
            raise DefinitionError(
                f"{self._kind.name}.{command} is async, and may wait for others: test it with actors.testing.WorkflowTest"
            )
        input = Raw(handler.signature.encode(args, kwargs))
        self._turn, self._result, self._error = Turn(), None, None
        if handler.validator is not None:
            try:
                entity.validate(command, input)
            except Failure as refused:
                self._error = error_info(refused)
                return
        self._turn = entity.command(f"command-{len(self._journal) + 1}", command, input, _START)
        outcome = self._turn.answers[0].outcome
        self._error = outcome.error
        self._result = None if outcome.result is None else handler.signature.decode_result(outcome.result)
        self._journal.append_all(self._turn.events, _START)
        if self._check is not None and not entity.dirty:
            try:
                entity.snapshot()
            except SnapshotRefused as refused:
                self._check.state(self._stream, refused)

    def _rebuilt(self) -> WatchedEntity:
        return rebuilt(self._kind, self._stream, self._journal, None if self._check is None else self._check.event)

    def _emitted(self) -> list[Any]:
        """Give the actor's own events of the newest command; a command that was told another is one of the runtime's."""
        events = self._kind.events
        return [events[record.type].decode(record.data) for record in self._turn.events if record.type in events]

    def _check_events(self, what: str, expected: list[object]) -> None:
        __tracebackhide__ = True
        actual = self._emitted()
        pairs = enumerate(zip(expected, actual, strict=False), 1)
        found = next((d for n, (e, a) in pairs if (d := difference(e, a, f"event {n}"))), None)
        if found is None and len(expected) == len(actual):
            return
        lines = [
            f"expected events: {_listed([shown(event) for event in expected])}",
            f"actual events:   {_listed([shown(event) for event in actual])}",
            found or f"expected {len(expected)} events, was {len(actual)}",
        ]
        raise AssertionError("\n  ".join([what, *lines]))

    def _check_state(self, what: str, expected: Any) -> None:
        __tracebackhide__ = True
        state = self.state
        if isinstance(expected, Mapping) and not isinstance(state, Mapping):
            found = partial_difference(expected, state, "state")
        else:
            found = difference(expected, state, "state")
        if found is not None:
            raise AssertionError(
                f"{what}\n  expected state: {shown(expected)}\n  actual state:   {shown(state)}\n  {found}"
            )

    def _check_fold(self) -> None:
        """See that the events alone give the state: a node folds them again, on another day."""
        __tracebackhide__ = True
        again = self._rebuilt()
        live, self._entity = self._entity, again
        if live.dirty:
            return  # it emitted, and then it was refused: a node rebuilds it, too
        if (found := difference(again.live_state, live.live_state, "state")) is not None:
            raise AssertionError(
                f"{self._asked()}\n  the state in memory is not what its events give (expected: by the events)\n  {found}\n"
                "  Only @event methods may change the state, and only by what is in the event"
            )


def _listed(events: list[str]) -> str:
    return ", ".join(events) or "none"
