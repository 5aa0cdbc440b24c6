"""One activation of one actor: commands in, events out.

The state is a fold of the stream's own events. A command runs on the state in memory; the events it emits are
applied at once and handed out in a turn. A command that is refused must leave nothing behind, so one that had
emitted events before it raised makes the activation `dirty`: it has to be dropped and rebuilt.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, Protocol

from msgspec import Raw

from actors.actor import Actor
from actors.codec import builtins, encode
from actors.definition import ActorType, EventHandler
from actors.errors import (
    Bug,
    DefinitionError,
    Failure,
    Nondeterminism,
    PayloadRefused,
    SnapshotRefused,
    UpcastFailed,
)
from actors.failures import describe, error_info
from actors.handling import HandlerProgram, Handling, UnderWay
from actors.journal import ACTOR_JOURNAL_TYPES, CommandSent, InstanceDeleted, JournalEvent, decode_event, encode_event
from actors.reading import only_reading
from actors.sending import LastCommands, letter
from actors.snapshot import Numbering, apart
from actors.turn import Answer, HistoryEvent, NewRecord, Outcome, Turn


class Emissions(Protocol):
    """What takes the events that a command emits."""

    def append(self, record: NewRecord, /) -> None:
        """Take the next one."""
        ...


class Entity:
    """See the module's docstring."""

    def __init__(self, kind: ActorType, stream: str) -> None:
        self.kind, self.stream = kind, stream
        self.version = 0
        self.dirty = False
        self._instance = kind.create(self)
        self.asked = 0  # the highest number that its commands have used, if it is above the version
        self.gone_at = 0  # the version at which it was deleted, if it was and has begun anew since
        self.said = LastCommands()
        self.handling: Handling | None = None  # made when a command is carried out step by step, or was
        self._emitted: Emissions | None = None  # None: no command is running, or an event is being applied
        self._sent: list[CommandSent] | None = None  # by the command that is running
        self._program: HandlerProgram | None = None  # that is running
        self._now = 0.0  # of the command that is running
        self._failed: Exception | None = None  # an @event method raised: its command can't succeed any more

    def deleted(self) -> InstanceDeleted:
        """Give what is left of the actor when it is deleted, in place of all its events."""
        return InstanceDeleted(max(self.asked, self.version))

    @property
    def actor(self) -> Actor:
        """The user's own object: for looking at, not for changing."""
        return self._instance

    def snapshot(self) -> bytes:
        """Give the state as it is at `version`, as JSON that `restore` takes; raises `SnapshotRefused`."""
        if self.dirty:
            raise SnapshotRefused("a refused command has touched the state")
        if not self.at_rest:
            raise SnapshotRefused("a command is under way, and no state holds that")
        state = self.kind.snapshot_format.encode(self._instance, lambda: self.kind.create(self))
        asked = self.asked if self.asked > self.version else 0
        return Numbering(asked, self.said.of_late(self._now)).before(state)

    def restore(self, version: int, data: bytes) -> None:
        """Begin with a snapshot's state, in place of the events up to its version; raises `SnapshotRefused`."""
        numbering, state = apart(data)
        self._instance.state = self.kind.snapshot_format.decode(state)
        self.version, self.asked = version, numbering.asked
        self.said.carry(numbering.said)

    def replay(self, history: Iterable[HistoryEvent]) -> None:
        """Fold the stream's events, in order, from the first one after `version`.

        Raises:
            Nondeterminism: an event's type is not known here.
            Bug: an event handler raised.
        """
        for _ in self.steps(history):
            pass

    def steps(self, history: Iterable[HistoryEvent]) -> Iterator[object]:
        """Fold like `replay`, handing out each event after it was applied; None for one that is retired."""
        handlers, under_way = self.kind.events, UnderWay(self)
        kept = under_way.kept
        for recorded in history:
            handler, data = handlers.get(recorded.type), recorded.data
            if kept or (handler is None and recorded.type in ACTOR_JOURNAL_TYPES):
                for each in under_way.take(recorded, self._journaled(recorded)):
                    yield self._apply(each)
                continue
            if handler is None or recorded.schema != handler.schema:
                handler, data = self.lifted(recorded)
                if handler is None:
                    self.version = recorded.version
                    yield None
                    continue
            try:
                event = handler.decode(data)
                handler.function(self._instance, event)
            except Exception as error:
                raise self._cant_apply(recorded, error) from error
            self.version = recorded.version
            yield event
        yield from under_way.rebuilt()

    def _apply(self, recorded: HistoryEvent) -> object:
        """Fold one event of either sort; those of the journal are no part of the state."""
        event: object = self._journaled(recorded)
        if isinstance(event, CommandSent):
            self.said.note(event, recorded.recorded_at.timestamp())
            self.asked = max(self.asked, event.command)
        elif isinstance(event, InstanceDeleted):
            self.asked, self.gone_at = event.asked, recorded.version
        elif event is None:
            handler, data = self.lifted(recorded)
            try:
                if handler is not None:
                    event = handler.decode(data)
                    handler.function(self._instance, event)
            except Exception as error:
                raise self._cant_apply(recorded, error) from error
        self.version = recorded.version
        return event

    def _cant_apply(self, recorded: HistoryEvent, error: Exception) -> Bug:
        if isinstance(error, PayloadRefused):
            return Bug(
                f"{self.stream}: event {recorded.type} at version {recorded.version} does not fit its class: {error}. "
                "If the class has changed, an upcaster says how the old form is read"
            )
        return Bug(f"{self.stream}: event {recorded.type} at version {recorded.version}: {describe(error)}")

    def _journaled(self, recorded: HistoryEvent) -> JournalEvent | None:
        """Read an event of the journal; None for one of the actor's own."""
        if recorded.type in self.kind.events or recorded.type not in ACTOR_JOURNAL_TYPES:
            return None
        try:
            return decode_event(recorded.type, recorded.data)
        except PayloadRefused as error:
            what, why = f"an event of type {recorded.type}", f"can't read it: {error}"
            raise Nondeterminism(self.stream, recorded.version, what, why) from error

    @property
    def at_rest(self) -> bool:
        """Whether a snapshot says all of it: no command is under way or waits."""
        return self.handling is None or not self.handling.pending

    def carried_out(self) -> Handling:
        """Give what carries commands out step by step; made when it is first asked for."""
        if self.handling is None:
            self.handling = Handling(self)
        return self.handling

    def enter(self, program: HandlerProgram) -> None:
        """Let the code of a command that is carried out step by step emit and tell, until `leave`."""
        self._program = self._emitted = program
        self._failed = None

    def leave(self) -> Exception | None:
        """End what `enter` began; gives what an @event method raised."""
        self._program = self._emitted = None
        return self._failed

    def lifted(self, recorded: HistoryEvent) -> tuple[EventHandler | None, bytes]:
        """Bring an event of an old name or an old form into today's; no handler: it is to be passed over."""
        kind, upcasters = self.kind, self.kind.upcasters
        if recorded.type in upcasters.retired:
            return None, b""
        handler = kind.events.get(name := upcasters.renamed.get(recorded.type, recorded.type))
        if handler is None:
            wanted = f"has no @event method for it (it has: {', '.join(sorted(kind.events)) or 'none'})"
            raise Nondeterminism(self.stream, recorded.version, f"an event of type {recorded.type}", wanted)
        if recorded.schema > handler.schema:
            what = f"{recorded.type} of schema {recorded.schema}"
            raise Nondeterminism(self.stream, recorded.version, what, f"knows it up to schema {handler.schema}")
        if (chain := upcasters.chains.get(name)) is None:
            return handler, recorded.data
        try:
            return handler, chain.lift(recorded.schema, recorded.data)
        except UpcastFailed as error:
            raise Bug(f"{self.stream}: event {recorded.type} at version {recorded.version}: {error}") from error

    def validate(self, name: str, input: Raw) -> None:
        """Ask a command's validator about the state in memory.

        Raises:
            Failure: the command is refused.
            Bug: the validator raised something undeclared.
        """
        handler = self.kind.command(name)
        arguments = handler.signature.decode(input)
        try:
            handler.validate(self._instance, arguments, state=self._instance.state)
        except Failure:
            raise
        except Exception as error:
            raise Bug(f"{self.stream}: the validator of {name} raised {describe(error)}") from error

    def command(self, id: str, name: str, input: Raw, at: float = 0.0) -> Turn:
        """Handle a command whose name and arguments were checked with `kind.commands`.

        Args:
            id: the command's.
            name: the handler's.
            input: the arguments.
            at: the time now, in seconds since the epoch.

        Raises:
            Bug: the handler raised something undeclared; the activation may be dirty.
        """
        handler = self.kind.command(name)
        if handler.is_async:
            raise DefinitionError(
                f"{self.kind.name}.{name} is async: it is carried out step by step, see `carried_out`"
            )
        arguments = handler.signature.decode(input)
        emitted: list[NewRecord] = []
        self._emitted, self._failed, self._sent, self._now = emitted, None, None, at
        try:
            result = handler.function(self._instance, **arguments)
            if self._failed is not None:  # and the command caught it, but replay would not
                raise self._failed
            outcome = Outcome(result=Raw(handler.signature.encode_result(result)))
        except Failure as refused:
            self.dirty = bool(emitted)
            return Turn(answers=[Answer(id, Outcome(error=error_info(refused)))])
        except Exception as error:
            self.dirty = bool(emitted)
            raise Bug(f"{self.stream}: command {name} raised {describe(error)}") from error
        finally:
            self._emitted = None
        self.version += len(emitted)
        return Turn(events=emitted, answers=[Answer(id, outcome)], sent=self._sent)

    def emit(self, event: object) -> None:
        """Record and apply an event; see `actors.Actor.emit`."""
        handler = self.kind.events.get(type(event).__name__)
        if handler is None or handler.event_type is not type(event):
            raise DefinitionError(
                f"{self.kind.name} has no @event method for {type(event).__name__}: write one that applies it"
            )
        if self._emitted is None:
            raise DefinitionError(
                f"{self.kind.name}: emit belongs into a @command; queries and @event methods only read"
            )
        emitted, data = self._emitted, encode(event)
        self._emitted = None
        try:
            # What replay will read is applied, not the caller's object: it may hold other types, or change later.
            emitted.append(NewRecord(type(event).__name__, data, handler.schema))
            handler.function(self._instance, handler.decode(data))
        except Exception as error:
            self._failed = error
            raise
        finally:
            self._emitted = emitted

    def tell_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Give another actor a command, with this one's events; see `actors.reference`.

        It is an event of the stream, and its number is that event's version, or the next that was not used.
        """
        if self._program is not None and self._emitted is not None:
            self._program.tell_actor(actor, id, command, args, kwargs)
            return
        if not isinstance(self._emitted, list) or "CommandSent" in self.kind.events:
            raise DefinitionError(
                f"{self.kind.name}: tell belongs into a @command; queries and @event methods only read"
                if self._emitted is None
                else f"{self.kind.name} has an event of its own named CommandSent, as told commands are; rename it"
            )
        checked = letter(self.kind.siblings, actor, id, command, args, kwargs)
        self.asked = max(self.asked + 1, self.version + len(self._emitted) + 1)
        sent = self.said.next(checked, self.asked, self._now, told=True)
        self._emitted.append(NewRecord("CommandSent", encode_event(sent)))
        self._sent = [*(self._sent or ()), sent]

    def call_actor(self, *call: Any) -> Coroutine[Any, Any, Any]:
        """Give another actor a command and await its answer; see `actors.reference`."""
        if self._program is not None:
            return self._program.call_actor(*call)
        raise DefinitionError(
            f"{self.kind.name}: only an `async def` command can await another actor; or use self.tell"
        )

    def query(self, name: str, input: Raw) -> bytes:
        """Answer a query; raises like `Execution.query`."""
        handler = self.kind.query(name)
        arguments = handler.signature.decode(input)
        try:
            with only_reading(f"query {name}", self._instance, self._instance.state):
                answer = handler.function(self._instance, **arguments)
            return handler.signature.encode_result(answer)
        except Failure:
            raise
        except Exception as error:
            raise Bug(f"query {name} of {self.stream} raised {describe(error)}") from error

    def state(self) -> Any:
        """Give the state as builtin values."""
        return builtins(self._instance.state)

    def waiting_for(self) -> list[str]:
        """Say in words what the command under way waits for, and how many wait behind it."""
        handling = self.handling
        if handling is None or not handling.pending:
            return []
        waiting = handling.waiting_for() if handling.current is not None else []
        return waiting + [f"command {received.name} behind it" for received in list(handling.pending.values())[1:]]

    def dispose(self) -> None:
        """Drop the coroutines of a command that is under way."""
        if self.handling is not None:
            self.handling.dispose()
