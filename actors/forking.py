"""Forking: a new instance that begins with the events of another one, up to a version, and lives on from there.

The copied events are the other one's, with its times; what was to be changed in them is changed. Under the new name
the code is run over them, as in every replay, and has to decide the same. Only names that it makes out of its own id
(of children, of actors that it gives commands) come out differently, and those that come out are kept.

What the copied events leave open, the new instance opens anew under its own keys: tasks are scheduled, timers set,
children started, commands given whose answers are awaited. Commands that were only told are not told again. If the cut goes
through a turn, the code decides the rest of that turn.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct

from actors.codec import decode_any, encode
from actors.consequences import CONSEQUENCES, DEADLINE
from actors.definition import ActorType, WorkflowType
from actors.errors import InvalidInput, Nondeterminism, PayloadRefused
from actors.journal import (
    ChildCancelRequested,
    ChildStarted,
    CommandReceived,
    CommandSent,
    InstanceDeleted,
    JournalEvent,
    Origin,
    RunContinued,
    RunStarted,
    decode_event,
    encode_event,
    event_class,
)
from actors.ledger import Ledger
from actors.precedents import Precedents
from actors.replay import Replay
from actors.turn import HistoryEvent, TimerRow, Turn


class CopiedEvent(Struct):
    """An event of the other instance, as the new one has it."""

    version: int
    type: str
    data: bytes
    recorded_at: datetime


class Copying(Replay):
    """The replay that a fork begins with. Ends anywhere; takes over the names that the code makes of its new id."""

    __slots__ = ("renamed",)

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self.renamed: dict[int, JournalEvent] = {}  # by version

    def _match(self, event: JournalEvent, version: int) -> None:
        if self.owed and (number := _number(event)) is not None and number == _number(wanted := self.owed[0]):
            _rename(event, wanted)
            self.renamed[version] = event
        super()._match(event, version)

    def _check_end(self) -> None:
        """Accept that decisions of the last turn are missing: the instance takes them itself."""

    def _precedents(self) -> Precedents:
        last = next((event.version for event in reversed(self._history) if _begins_turn(event)), None)
        return Precedents(self._history, self._place, lambda: self._fact_at, cut_from=last)


def copy(kind: ActorType | WorkflowType, events: Sequence[HistoryEvent], origin: Origin) -> list[CopiedEvent]:
    """Give the events that the new instance begins with.

    Args:
        kind: of both.
        events: of the other instance, all up to the origin's version.
        origin: what is copied, and what is changed in it.

    Raises:
        InvalidInput: a change is not of a copied event, has fields that the event does not have, or can't be read.
    """
    if beyond := [version for version in origin.changes if not 1 <= version <= origin.version]:
        raise InvalidInput(
            f"version {beyond[0]} is to be changed, but only versions 1 to {origin.version} are copied; fork at a later version"
        )
    if events[-1].type == InstanceDeleted.__name__:
        raise InvalidInput(
            f"{origin.stream} was deleted, and nothing had begun by version {origin.version}; fork at a later one"
        )
    origin = msgspec.structs.replace(
        origin, sent=max(map(_sent, events), default=0), seed=_seed(events[0]) or origin.stream
    )
    copied = []
    for event in events:
        data = event.data
        if (change := origin.changes.get(event.version)) is not None:
            data = _changed(kind, event, change)
        copied.append(CopiedEvent(event.version, event.type, _adapted(event, data, origin), event.recorded_at))
    return copied


def open_work(
    ledger: Ledger, timers: Mapping[int, Any], awaited: Container[int], history: Sequence[HistoryEvent]
) -> Turn:
    """Give what a copied journal leaves open, as a turn that asks for it anew.

    `timers` are those that the code awaits, `awaited` the numbers of all else; children of former runs may be among them.
    """
    turn = Turn()
    turn.tasks = [task.scheduled for task in ledger.tasks.values() if task.awaited]
    children, before = ledger.children.values(), ledger.before
    turn.children = [started for started in children if started.child > before or started.child in awaited]
    turn.sent = [
        msgspec.structs.replace(sent, after=None)
        for sent in ledger.sent.values()
        if not sent.told and sent.command > ledger.before
    ]
    turn.timers_set = [TimerRow(number, due) for number, due in ledger.timers.items() if number in timers]
    if ledger.deadline is not None:
        turn.timers_set.append(TimerRow(DEADLINE, ledger.deadline))
    for event in history:
        if event.type == ChildCancelRequested.__name__:
            request = decode_event(event.type, event.data)
            CONSEQUENCES[ChildCancelRequested](turn, request, ledger)
    return turn


def only_new(turn: Turn) -> None:
    """Take out of a fork's first turn what it asks for and gives up again: no row of the new stream is there to go."""
    closed, cleared = set(turn.tasks_closed), set(turn.timers_cleared)
    turn.tasks = [task for task in turn.tasks if task.task not in closed]
    turn.timers_set = [row for row in turn.timers_set if row not in cleared]
    turn.tasks_closed, turn.timers_cleared = [], []


def _adapted(event: HistoryEvent, data: bytes, origin: Origin) -> bytes:
    """Mark what is not the new instance's own: who asked for the run, and commands that were given by the other one."""
    if event.type not in {RunStarted.__name__, CommandReceived.__name__, CommandSent.__name__}:
        return data
    try:
        journal = decode_event(event.type, data)
    except PayloadRefused as error:
        raise InvalidInput(f"version {event.version}, {event.type}, can't be read: {error}") from None
    if isinstance(journal, RunStarted):
        return encode_event(msgspec.structs.replace(journal, caller=None, origin=origin))
    if isinstance(journal, CommandReceived) and journal.caller is not None:
        return encode_event(msgspec.structs.replace(journal, caller=None))  # who is told by the other instance
    if isinstance(journal, CommandSent):
        return encode_event(msgspec.structs.replace(journal, copied=True))
    return data


def _changed(kind: ActorType | WorkflowType, event: HistoryEvent, change: Raw) -> bytes:
    """Give an event's data with other values in the fields that the change names."""
    place = f"the change of version {event.version}, {event.type}"
    try:
        before, fields = decode_any(event.data), decode_any(change)
    except PayloadRefused as error:
        raise InvalidInput(f"{place}: {error}") from None
    if not isinstance(before, dict):
        return bytes(change)
    if not isinstance(fields, dict):
        raise InvalidInput(f'{place}: expected an object with the fields to change, {{"field": value}}')
    known = [*before, *(name for name in _fields(kind, event) if name not in before)]
    if unknown := [name for name in fields if name not in known]:
        raise InvalidInput(f"{place}: the event has no field {unknown[0]!r}; it has {', '.join(known)}")
    data = encode({**before, **fields})
    try:
        _reader(kind, event)(data)
    except PayloadRefused as error:
        raise InvalidInput(f"{place}: {error}") from None
    return data


def _fields(kind: ActorType | WorkflowType, event: HistoryEvent) -> tuple[str, ...]:
    journal = event_class(event.type)
    if journal is None and isinstance(kind, ActorType) and (handler := kind.events.get(event.type)) is not None:
        try:
            return tuple(field.encode_name for field in msgspec.inspect.type_info(handler.event_type).fields)  # type: ignore[attr-defined]  # of classes; the others have none, and are caught
        except (AttributeError, TypeError):
            return ()
    return () if journal is None else journal.__struct_fields__


def _reader(kind: ActorType | WorkflowType, event: HistoryEvent) -> Callable[[bytes], object]:
    if isinstance(kind, ActorType) and (handler := kind.events.get(event.type)) is not None:
        return handler.decode
    return lambda data: decode_event(event.type, data)


def _sent(event: HistoryEvent) -> int:
    """Give the number of a command that the event says was given, else 0."""
    journal = decode_event(event.type, event.data) if event.type == CommandSent.__name__ else None
    return journal.command if isinstance(journal, CommandSent) else 0


def _seed(first: HistoryEvent) -> str:
    """Give what the other instance's random numbers come from if it was forked itself."""
    journal = decode_event(first.type, first.data) if first.type == RunStarted.__name__ else None
    return journal.origin.seed if isinstance(journal, RunStarted) and journal.origin is not None else ""


def _number(event: JournalEvent) -> int | None:
    """Give the number of a decision that names another instance."""
    match event:
        case ChildStarted():
            return event.child
        case CommandSent():
            return event.command
        case _:
            return None


def _rename(event: JournalEvent, wanted: JournalEvent) -> None:
    if type(event) is type(wanted) and isinstance(event, ChildStarted | CommandSent) and hasattr(wanted, "id"):
        event.id = wanted.id


def _begins_turn(event: HistoryEvent) -> bool:
    journal = event_class(event.type)
    return journal is not None and (journal.is_fact or journal is RunContinued)


def explain(error: Exception, changes: Mapping[int, Raw]) -> str:
    """Say why the code can't live on from a cut, and what to do."""
    if isinstance(error, Nondeterminism) and changes and error.version > (last := max(changes)):
        return (
            f"with version {last} changed the code goes another way: at version {error.version} the copied journal has "
            f"{error.recorded}, but the code {error.wanted}. Fork at version {last}, so that it decides what follows"
        )
    return f"the code can't be replayed up to there: {error}"
