"""`Actor`: state folded from its own events, command handlers that decide, queries that read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

from actors.names import split_stream
from actors.reference import Speaker
from actors.snapshot import Snapshots
from actors.upcasting import ActorUpcaster


class Emitter(Protocol):
    """What an actor reaches of the entity that runs it."""

    stream: str

    def emit(self, event: object) -> None:
        """Record an event and apply it."""
        ...


class Actor(Speaker):
    """Base of actors. Annotate `state` with a type that can be made without arguments (a `msgspec.Struct` or a
    dataclass with defaults), and write `@command`, `@event` and `@query` methods.

    A command decides and emits events; `@event` methods are the only place where `self.state` changes, because the
    state is rebuilt from the events alone. Commands are handled one at a time, in the order they came.

    `snapshots` says when the state is kept beside the events, so that a long stream is quick to load; None: never.
    `upcasters` says how events of an old form are read: `Upcast`, `Renamed`, `Retired`, and `UpcastState` for snapshots.
    """

    type_name: ClassVar[str]
    snapshots: ClassVar[Snapshots | None] = Snapshots()
    upcasters: ClassVar[Sequence[ActorUpcaster]] = ()
    state: Any
    _perdure: Emitter

    def __init_subclass__(cls, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.type_name = name or cls.__name__

    @property
    def id(self) -> str:
        """The actor's id: the part of its stream's name after the slash."""
        return split_stream(self._perdure.stream)[1]

    def emit(self, event: object) -> None:
        """Record an event: its `@event` method runs at once, and it is durable before the caller hears of it.

        Raises:
            DefinitionError: no `@event` method takes this type.
        """
        self._perdure.emit(event)
