"""Upcasters: what was recorded in an old form is brought into today's form when it is read. The log is never changed.

A form is numbered by its *schema*, from 1; each event carries the number that was the newest when it was written. An
upcaster turns the JSON of one schema into the next, and they are chained. Today's schema is one above the highest that
has an upcaster, so a type that never changed needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from actors.codec import decode_any, encode
from actors.errors import DefinitionError, UpcastFailed
from actors.failures import describe
from actors.journal import (
    ChildCompleted,
    CommandAnswered,
    CommandReceived,
    JournalEvent,
    PromiseResolved,
    RunContinued,
    RunStarted,
    TaskCompleted,
)
from actors.ledger import PROMISE, Ledger

E = TypeVar("E", bound=JournalEvent)
Change = Callable[[Any], Any]  # JSON as builtins in, JSON as builtins out; it may change what it is given
NEWEST = 0  # the schema of what was recorded where nobody knew its forms: it is read as the newest


class Upcast(Struct, frozen=True):
    """An event of an `Actor`, from one schema to the next: `Upcast(Added, 1, in_grams)`."""

    event: type | str
    schema: int
    change: Change


class Renamed(Struct, frozen=True):
    """An event type of an `Actor` that had another name: what was recorded under it counts as the new type, same schema."""

    old: str
    event: type | str


class Retired(Struct, frozen=True):
    """An event type of an `Actor` that means nothing any more: what was recorded of it is passed over."""

    event: str


class UpcastState(Struct, frozen=True):
    """The state in an actor's snapshots, from one `Snapshots(schema=…)` to the next."""

    schema: int
    change: Change


class UpcastInput(Struct, frozen=True):
    """The recorded arguments of a workflow's `run` or of a command, an object by name, from one schema to the next."""

    of: str
    schema: int
    change: Change


class UpcastResult(Struct, frozen=True):
    """The recorded results of a task, of a child workflow by its type's name, or of another's command, as `"Account.move"`, from one schema to the next."""

    of: str
    schema: int
    change: Change


class UpcastPromise(Struct, frozen=True):
    """The recorded values of the promise of a name, from one schema to the next."""

    of: str
    schema: int
    change: Change


ActorUpcaster = Upcast | Renamed | Retired | UpcastState
WorkflowUpcaster = UpcastInput | UpcastResult | UpcastPromise
_OF_WHAT: dict[type, str] = {UpcastInput: "input", UpcastResult: "result", UpcastPromise: "promise"}


class Chain:
    """The changes of one thing, from schema 1 up to `newest`."""

    def __init__(self, what: str, changes: Sequence[Change]) -> None:
        self._what, self._changes = what, changes
        self.newest = len(changes) + 1

    def lift(self, schema: int, data: bytes | Raw) -> bytes:
        """Give JSON of a schema, at most `newest`, in the newest form; raises `UpcastFailed`."""
        if schema in (NEWEST, self.newest):
            return bytes(data)
        for number in range(schema, self.newest):
            try:
                data = encode(self._changes[number - 1](decode_any(data)))
            except Exception as error:
                raise UpcastFailed(
                    f"the upcaster of {self._what} from schema {number} to {number + 1} raised {describe(error)}. "
                    "Mend it; what was recorded stays as it is"
                ) from error
        return bytes(data)


class EventUpcasters:
    """What an actor class declares about its events and its state."""

    def __init__(self, owner: str, declared: Iterable[object], handled: Iterable[str]) -> None:
        """Read the declarations.

        Raises:
            DefinitionError: one is of no known sort, names an event that has no @event method, or leaves a gap.
        """
        known = set(handled)
        changes: dict[str, dict[int, Change]] = {}
        states: dict[int, Change] = {}
        self.renamed: dict[str, str] = {}
        self.retired: set[str] = set()
        for one in declared:
            match one:
                case Upcast():
                    _add(owner, changes.setdefault(_name(one.event), {}), one.schema, one.change, _name(one.event))
                case Renamed():
                    self.renamed[one.old] = _name(one.event)
                case Retired():
                    self.retired.add(one.event)
                case UpcastState():
                    _add(owner, states, one.schema, one.change, "the state")
                case _:
                    raise DefinitionError(
                        f"{owner}.upcasters: {one!r} is none of Upcast, Renamed, Retired, UpcastState"
                    )
        for name in (*changes, *self.renamed.values()):
            if name not in known:
                raise DefinitionError(f"{owner}.upcasters: {name} has no @event method in {owner}")
        for name in (*self.renamed, *self.retired):
            if name in known:
                raise DefinitionError(f"{owner}.upcasters: {name} still has an @event method; delete one of the two")
        self.chains = {name: _chain(owner, name, steps) for name, steps in changes.items()}
        self.states = states

    def check_states(self, owner: str, schema: int) -> None:
        """See that the state's changes lead up to today's schema; raises `DefinitionError`."""
        if sorted(self.states) != list(range(schema - len(self.states), schema)):
            raise DefinitionError(
                f"{owner}.upcasters: the state's go from schema {', '.join(map(str, sorted(self.states)))}; without a gap "
                f"they must lead up to {schema}, which is its Snapshots(schema=…)"
            )

    def newest(self, event: str) -> int:
        """Give the schema that new events of a type are written with."""
        return self.chains[event].newest if event in self.chains else 1


class PayloadUpcasters:
    """What a workflow class declares about arguments and results in its journals."""

    def __init__(self, owner: str, declared: Iterable[object], inputs: Iterable[str]) -> None:
        """Read the declarations; raises `DefinitionError`."""
        known = set(inputs)
        changes: dict[tuple[str, str], dict[int, Change]] = {}
        for one in declared:
            if not isinstance(one, UpcastInput | UpcastResult | UpcastPromise):
                raise DefinitionError(f"{owner}.upcasters: {one!r} is none of UpcastInput, UpcastResult, UpcastPromise")
            what = _OF_WHAT[type(one)]
            if what == "input" and one.of not in known:
                raise DefinitionError(f"{owner}.upcasters: {owner} has no command {one.of!r}, and it is not 'run'")
            _add(owner, changes.setdefault((what, one.of), {}), one.schema, one.change, f"{what} of {one.of}")
        self._chains = {
            (what, name): _chain(owner, f"the {what} of {name}", steps) for (what, name), steps in changes.items()
        }

    def newest(self, event: JournalEvent, ledger: Ledger) -> int:
        """Give the schema that an event is written with; the ledger does not know of it yet."""
        chain = self._chains.get(_subject(event, ledger))
        return 1 if chain is None else chain.newest

    def lift(self, event: E, schema: int, ledger: Ledger) -> E:
        """Give an event with its payload in the newest form; raises `UpcastFailed`."""
        chain = self._chains.get(_subject(event, ledger))
        if chain is None or schema in (NEWEST, chain.newest) or _is_failure(event):
            return event
        field = "input" if isinstance(event, RunStarted | RunContinued | CommandReceived) else "result"
        return replace(event, **{field: Raw(chain.lift(schema, getattr(event, field)))})


_WITH_PAYLOAD = (
    RunStarted, RunContinued, CommandReceived, TaskCompleted, ChildCompleted, CommandAnswered, PromiseResolved
)  # fmt: skip
NO_PAYLOADS = PayloadUpcasters("", (), ())


def _is_failure(event: JournalEvent) -> bool:
    return isinstance(event, CommandAnswered) and event.error is not None


def carries_payload(event: JournalEvent) -> bool:
    """Say whether an event has something whose form may change."""
    return isinstance(event, _WITH_PAYLOAD)


def kept_under(event: JournalEvent) -> str | None:
    """Give the name under which the ledger keeps an event's schema, for a run after the one that hears it; None: it does not."""
    if isinstance(event, CommandReceived):
        return event.id
    return f"{PROMISE}{event.name}" if isinstance(event, PromiseResolved) else None


def _subject(event: JournalEvent, ledger: Ledger) -> tuple[str, str]:
    match event:
        case RunStarted() | RunContinued():
            return "input", "run"
        case CommandReceived():
            return "input", event.name
        case TaskCompleted():
            task = ledger.tasks.get(event.task)
            return "result", event.name or ("" if task is None else task.scheduled.name)
        case ChildCompleted():
            child = ledger.children.get(event.child)
            return "result", "" if child is None else child.type
        case CommandAnswered():
            sent = ledger.sent.get(event.command)
            return "result", "" if sent is None else f"{sent.type}.{sent.name}"
        case PromiseResolved():
            return "promise", event.name
        case _:
            return "", ""


def _name(event: type | str) -> str:
    return event if isinstance(event, str) else event.__name__


def _add(owner: str, changes: dict[int, Change], schema: int, change: Change, what: str) -> None:
    if schema in changes or not callable(change):
        trouble = "there are two" if schema in changes else f"{change!r} is no function"
        raise DefinitionError(f"{owner}.upcasters: {what} from schema {schema}: {trouble}")
    changes[schema] = change


def _chain(owner: str, what: str, changes: dict[int, Change]) -> Chain:
    numbers = sorted(changes)
    if numbers != list(range(1, len(numbers) + 1)):
        raise DefinitionError(
            f"{owner}.upcasters: those of {what} go from schema {', '.join(map(str, numbers))}; expected 1, 2 … without a gap"
        )
    return Chain(what, [changes[number] for number in numbers])
