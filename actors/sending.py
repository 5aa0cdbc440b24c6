"""Commands from one instance to another: what is checked before one is recorded, and in what order they must arrive.

Each command names the one before it to the same actor, if that was given less than a day before: the other side takes
it only after that one, for no broker keeps an order through every fault. After a day (`ORDER_WITHIN`) of waiting it is
taken all the same, so a command that can't be delivered holds up those behind it for a day at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Raw, Struct

from actors.codec import encode
from actors.errors import DefinitionError, PayloadRefused
from actors.handlers import Handler
from actors.journal import CommandSent, Said, decode_event
from actors.names import stream_name
from actors.turn import HistoryEvent

if TYPE_CHECKING:
    from actors.definition import ActorType, WorkflowType

ORDER_WITHIN = 86_400.0  # seconds
MOST_CARRIED = 500  # actors whose last command is remembered from one run to the next, or by a snapshot


class Letter(Struct):
    """A command that was checked: for whom, its name and arguments; its handler, if this app has it."""

    type: str
    id: str
    name: str
    input: Raw
    handler: Handler | None


def letter(
    kinds: Mapping[str, ActorType | WorkflowType],
    actor: type | str,
    id: str,
    command: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Letter:
    """Check a command, as far as this app knows the other actor.

    Raises:
        DefinitionError: the class is not registered.
        InvalidInput: the id is not allowed, there is no such command, or the arguments do not fit it.
    """
    name: str = actor if isinstance(actor, str) else getattr(actor, "type_name", repr(actor))
    kind = kinds.get(name)
    if not isinstance(actor, str) and (kind := _of_class(kind, actor)) is None:
        raise DefinitionError(f"actor {name} is not registered: name its class in App(actors=[…])")
    stream_name(name, id)
    if kind is not None:
        handler = kind.command(command)
        return Letter(name, id, command, Raw(handler.signature.encode(args, kwargs)), handler)
    if args and kwargs:
        raise DefinitionError(f"{command} of {name}: this app does not know {name}; give all arguments by name")
    return Letter(name, id, command, Raw(encode(list(args) if args else kwargs)), None)


def _of_class(kind: ActorType | WorkflowType | None, cls: type) -> ActorType | WorkflowType | None:
    """Find the version of a type that a class is."""
    versions = getattr(kind, "versions", None) or {1: kind}
    return next((version for version in versions.values() if version is not None and version.cls is cls), None)


class LastCommands:
    """The last command to each actor, of all runs that one instance has had."""

    __slots__ = ("_copied", "_last")

    def __init__(self, copied: int = 0) -> None:
        """Begin; a fork's own commands do not wait for those up to the number `copied`, which the other instance gave."""
        self._copied = copied
        self._last: dict[str, tuple[int, float]] = {}  # by the other's stream: number, and when it was given

    def next(self, letter: Letter, number: int, now: float, *, told: bool) -> CommandSent:
        """Make the next command."""
        sent = CommandSent(number, letter.type, letter.id, letter.name, letter.input, told)
        last, given_at = self._last.get(sent.stream, (None, now))
        if last is not None and last > self._copied and now - given_at < ORDER_WITHIN:
            sent.after = last
        self.note(sent, now)
        return sent

    def note(self, sent: CommandSent, now: float) -> None:
        """Remember a command that was given."""
        if sent.copied:
            return
        self._last[sent.stream] = (sent.command, now)

    def carry(self, said: Mapping[str, Said]) -> None:
        """Remember what was given before, as `of_late` gave it."""
        self._last |= said

    def of_late(self, now: float) -> dict[str, Said]:
        """Give what a later command may still have to wait for: the newest, `MOST_CARRIED` at most."""
        late = {stream: (number, at) for stream, (number, at) in self._last.items() if now - at < ORDER_WITHIN}
        if len(late) > MOST_CARRIED:
            late = dict(sorted(late.items(), key=_number)[-MOST_CARRIED:])
        return late


def by_journal(history: Iterable[HistoryEvent], carried: Mapping[str, Said]) -> LastCommands:
    """Give the last commands by a journal alone; `carried` are those that were given before it began."""
    last = LastCommands()
    last.carry(carried)
    for event in history:
        if event.type == CommandSent.__name__:
            try:
                sent = decode_event(event.type, event.data)
            except PayloadRefused:
                continue  # a damaged one: nobody can wait for what can't be named
            if isinstance(sent, CommandSent):
                last.note(sent, event.recorded_at.timestamp())
    return last


def _number(said: tuple[str, Said]) -> int:
    return said[1][0]
