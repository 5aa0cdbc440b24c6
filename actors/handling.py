"""Commands that an actor carries out step by step: its `async def` ones, and whatever comes while one is under way.

An actor is at rest most of the time, and then its stream holds nothing but its own events. An async command is a small
durable program inside the same stream: `CommandReceived` begins it, decisions and outcomes follow as in a workflow's
journal, the actor's own events stand among the decisions, and `CommandCompleted` or `CommandFailed` ends it. What comes
meanwhile, of either sort, is recorded as `CommandReceived` and waits; `CommandBegan` marks where it goes on with it.

    CommandReceived a · TaskScheduled · CommandReceived b · TaskCompleted · Withdrawn · CommandCompleted a · CommandBegan b …
    └────────────────── carried out: a ────────────────────────────────────────────┘ └── carried out: b ──

Invariants, and who keeps them:
* one command at a time, in the order of arrival: `pending` is that order, and the next begins when the first has ended;
* the fold passes over journal events, so a stream at rest folds as ever;
* a command under way is run again from its beginning, on the state folded up to there. What it emits is compared with
  the stream like every decision, data included: the state in memory is made by the code, and must be the log's;
* its numbers begin above the version that it began at, and above all that were used: no two commands share any;
* it keeps what it has emitted, also when it fails in the end. A plain `def` command that waited fails without a trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar, cast

from msgspec import Raw

from actors.errors import Bug, DefinitionError
from actors.execution import Execution
from actors.failures import describe
from actors.journal import (
    ACTOR_JOURNAL_TYPES,
    Caller,
    CommandBegan,
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    Emitted,
    JournalEvent,
)
from actors.ledger import Ledger
from actors.program import Program
from actors.replay import Replay
from actors.turn import HistoryEvent, NewRecord, Outcome, TimerRow, Turn

if TYPE_CHECKING:
    from actors.definition import ActorType, WorkflowType
    from actors.entity import Entity


class StepwiseKind:
    """What a program asks of its kind, of an actor. Its `run` is never begun here; and its events have upcasters of their own."""

    upcasters = None

    def __init__(self, kind: ActorType) -> None:
        self.name, self.tasks, self.siblings = kind.name, kind.tasks, kind.siblings
        self.commands, self.command, self.query = kind.commands, kind.command, kind.query


def _kind(entity: Entity) -> WorkflowType:
    return cast("WorkflowType", StepwiseKind(entity.kind))


class HandlerProgram(Program):
    """One command's code as it runs. `done` when its handler has ended, `dirty` when it left a state that is not the log's."""

    __slots__ = ("_begun", "_received", "dirty", "done", "entity")

    def __init__(self, entity: Entity, received: CommandReceived, base: int) -> None:
        # What a program asks of its kind, both sorts of actor have; but for `run`, which is never begun here.
        super().__init__(_kind(entity), entity.stream)
        self.instance = cast("Any", entity.actor)
        self.asked = base
        self._said = entity.said
        self.entity, self._received = entity, received
        self._begun = self.done = self.dirty = False

    def feed(self, fact: JournalEvent) -> None:
        """Let the code hear of a fact; see `Program.feed`."""
        self.entity.enter(self)
        try:
            super().feed(fact)
        finally:
            failed = self.entity.leave()
        if failed is not None:  # an @event method raised, and the command caught it; but replay would not
            raise Bug(f"{self.stream}: {describe(failed)}") from failed

    def append(self, record: NewRecord) -> None:
        """Take an event that the code emits."""
        self._decisions.append(Emitted(record.type, Raw(record.data), record.schema))

    def decided(self, *, ending: bool = True) -> list[JournalEvent]:
        """Give the turn's decisions; the one that ends the command says how far the numbering has come."""
        decided = super().decided(ending=ending)
        for decision in decided:
            if isinstance(decision, CommandCompleted | CommandFailed):
                decision.asked = self.asked
        return decided

    async def call_actor(
        self, actor: type | str, id: str, command: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Give another actor a command and await its answer."""
        name = actor if isinstance(actor, str) else getattr(actor, "type_name", "")
        if f"{name}/{id}" == self.stream:
            raise DefinitionError(
                f"{self.stream} would wait for itself for ever: it is busy; use self.tell, or a plain call"
            )
        return await super().call_actor(actor, id, command, args, kwargs)

    def _begin(self, fact: CommandReceived | CommandBegan) -> None:
        if fact.id == self._received.id and not self._begun:
            self._begun = True
            self._command_received(self._received)

    async def _handle(self, received: CommandReceived) -> None:
        first = len(self._decisions)
        handler = self.kind.commands.get(received.name)
        await super()._handle(received)
        self.done = self._bug is None
        if handler is not None and not handler.is_async:
            self._take_back(first)

    def _take_back(self, first: int) -> None:
        """Let a plain command that failed leave nothing behind."""
        made = self._decisions[first:]
        if len(made) > 1 and isinstance(made[-1], CommandFailed):
            self._decisions[first:] = made[-1:]
            self.dirty = True

    _HEAR: ClassVar[dict[type[JournalEvent], Callable[[Any, Any], None]]] = {
        **Program._HEAR,  # noqa: SLF001 - its own base
        CommandReceived: _begin,
        CommandBegan: _begin,
    }


class HandlerReplay(Replay):
    """A replay of one command, among whose decisions the actor's own events stand."""

    __slots__ = ()

    def _read(self, recorded: HistoryEvent) -> JournalEvent:
        if recorded.type in ACTOR_JOURNAL_TYPES:  # no event of an actor with async commands is named so
            return super()._read(recorded)
        handler, data = cast("HandlerProgram", self.program).entity.lifted(recorded)
        if handler is None:
            raise self._differs(recorded.version, f"an event of type {recorded.type}, which is retired", "goes on")
        return Emitted(handler.event_type.__name__, Raw(data))


class UnderWay:
    """What a fold has met of a command whose end it has not met yet.

    The state must be folded up to the beginning of a command that is under way, and no further. So its events are kept
    back: folded when its end turns up, and run again when the stream ends without it.
    """

    def __init__(self, entity: Entity) -> None:
        self._entity = entity
        self._received: CommandReceived | None = None
        self.kept: list[HistoryEvent] = []  # not empty: a command is under way

    def take(self, recorded: HistoryEvent, event: JournalEvent | None) -> list[HistoryEvent]:
        """Take an event, None for one of the actor's own; gives those that are to be folded now."""
        entity = self._entity
        match event:
            case CommandReceived():
                pending = entity.carried_out().pending
                pending[event.id] = event
                if len(pending) == 1:
                    self._received = event
            case CommandBegan():
                self._received = entity.carried_out().pending.get(event.id)
            case _:
                pass
        self.kept.append(recorded)
        if isinstance(event, CommandCompleted | CommandFailed) and event.id == getattr(self._received, "id", None):
            self._received = None
            entity.carried_out().pending.pop(event.id, None)
            entity.asked = max(entity.asked, event.asked)
        if self._received is not None:
            return []
        folded = self.kept.copy()
        self.kept.clear()
        return folded

    def rebuilt(self) -> Iterator[JournalEvent]:
        """Run a command that has not ended again, handing out its events."""
        if self._received is not None:
            yield from self._entity.carried_out().rebuild(self._received, self.kept.copy())


class Handling(Execution):
    """See the module's docstring. `program` and `ledger` are those of the command under way, `current`."""

    __slots__ = ("_entity", "answered", "current", "pending")

    def __init__(self, entity: Entity) -> None:
        super().__init__(_kind(entity), entity.stream)
        self._entity = entity
        self.pending: dict[str, CommandReceived] = {}  # by command id, in order; the first is under way, or begins next
        self.current: str | None = None
        self.answered: list[tuple[CommandReceived, Outcome]] = []  # until they are taken

    @property
    def version(self) -> int:
        """The stream's version, with all turns handed out so far."""
        return self._entity.version

    def command(
        self, id: str, name: str, input: Raw, at: float, caller: Caller | None = None, *, told: bool = False
    ) -> Turn:
        """Take a command, whose name and arguments must have been checked; it is judged when its turn comes."""
        turn, waits = Turn(), bool(self.pending)
        fact = CommandReceived(id, name, input, waits, caller, told)
        self.pending[id] = fact
        if waits:
            self._append(turn, fact)
        else:
            self._start(turn, fact, fact, at)
            self._go_on(turn, at)
        return turn

    def wake(self, at: float) -> Turn:
        """Go on after a good replay: with what is owed since a mistake was mended, or with the next command."""
        if self.broken is not None:
            return Turn()
        turn = self.resume(at)
        if self.current is None:
            self._next(turn, at)
        self._go_on(turn, at)
        return turn

    def rebuild(self, received: CommandReceived, history: Sequence[HistoryEvent]) -> Iterator[JournalEvent]:
        """Run a command that was under way again, handing out each event; raises like `Execution.replay`."""
        self._fresh(received)
        replay = HandlerReplay(history, self.program, self.ledger, self._break, self._next_run)
        with closing(replay.events()) as events:
            while (event := self.program.loop.inside(next, events, None)) is not None:
                self._entity.version += 1
                yield event
        self._entity.version = history[-1].version
        self._rebuilt(replay)

    # -- inside -------------------------------------------------------------------------------------------

    @property
    def _handler(self) -> HandlerProgram:
        return cast("HandlerProgram", self.program)

    def _take(self, fact: Any, at: float) -> Turn:
        turn = super()._take(fact, at)
        self._go_on(turn, at)
        return turn

    def _append(self, turn: Turn, event: JournalEvent) -> None:
        self._entity.version += 1
        if isinstance(event, Emitted):
            turn.events.append(NewRecord(event.type, bytes(event.data), event.schema))
            self.ledger.apply(event)
        else:
            super()._append(turn, event)

    def _start(self, turn: Turn, received: CommandReceived, fact: CommandReceived | CommandBegan, at: float) -> None:
        self._fresh(received)
        self._run(turn, fact, at)

    def _fresh(self, received: CommandReceived) -> None:
        entity = self._entity
        self.program.dispose()
        self.program = HandlerProgram(entity, received, max(entity.version + 1, entity.asked))
        self.ledger = Ledger()
        self.ledger.version = entity.version
        self.current = received.id

    def _go_on(self, turn: Turn, at: float) -> None:
        """End what has ended, and begin what waits."""
        while self.current is not None and self.broken is None and self._handler.done:
            self._close(turn)
            if self._entity.dirty:
                return  # it is rebuilt first, and goes on from there
            self._next(turn, at)

    def _next(self, turn: Turn, at: float) -> None:
        if (received := next(iter(self.pending.values()), None)) is not None:
            self._start(turn, received, CommandBegan(received.id), at)

    def _close(self, turn: Turn) -> None:
        entity, program, ledger = self._entity, self._handler, self.ledger
        id, self.current = self.current, None
        outcome = next(answer.outcome for answer in reversed(turn.answers) if answer.command_id == id)
        self.answered.append((self.pending.pop(str(id)), outcome))
        # What it left behind is not wanted any more; commands that it gave others are carried out all the same.
        turn.tasks_closed.extend(ledger.tasks)
        turn.timers_cleared.extend(TimerRow(number, due) for number, due in ledger.timers.items())
        entity.asked = max(entity.asked, program.asked)
        entity.dirty = entity.dirty or program.dirty
        program.dispose()
        program.timers.clear()
        self.ledger = Ledger()  # nothing that was asked for is waited for any more
        self.ledger.version = entity.version
