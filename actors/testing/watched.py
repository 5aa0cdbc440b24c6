"""The model's own activations, with what a test wants to see of them besides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.errors import Bug, Nondeterminism
from actors.execution import Execution
from actors.handling import Handling
from actors.testing.errors import in_users_code
from actors.turn import NewRecord


class Recorded(Struct):
    """An event as a store would give it back."""

    version: int
    type: str
    data: bytes
    recorded_at: datetime
    schema: int = 1


class Journal(list[Recorded]):
    """A stream, in memory."""

    def append_all(self, records: list[NewRecord], at: float) -> None:
        """Append events as of a time in seconds since the epoch."""
        moment = datetime.fromtimestamp(at, UTC)
        for record in records:
            self.append(Recorded(len(self) + 1, record.type, record.data, moment, record.schema))


class WatchedEntity(Entity):
    """An actor's activation; shows its state as the object that it is, and each event before it is written."""

    def __init__(self, kind: ActorType, stream: str, see: Callable[[ActorType, object], None] | None = None) -> None:
        super().__init__(kind, stream)
        self._see = see

    def emit(self, event: object) -> None:
        """See `Entity`."""
        if self._see is not None:
            self._see(self.kind, event)
        super().emit(event)

    def carried_out(self) -> Handling:
        """See `Entity`."""
        if self.handling is None:
            self.handling = WatchedHandling(self)
        return self.handling

    @property
    def live_state(self) -> Any:
        """The actor's state."""
        return self._instance.state


class WatchedHandling(Handling):
    """What carries out an actor's commands step by step; keeps the exception that broke it, with its traceback."""

    __slots__ = ("trouble",)

    def __init__(self, entity: Entity) -> None:
        super().__init__(entity)
        self.trouble: BaseException | None = None

    def _break(self, error: Nondeterminism | Bug) -> None:
        self.trouble = in_users_code(error.__cause__ or error)
        super()._break(error)


def rebuilt(
    kind: ActorType, stream: str, journal: Journal, see: Callable[[ActorType, object], None] | None = None
) -> WatchedEntity:
    """Fold an actor from its events."""
    entity = WatchedEntity(kind, stream, see)
    entity.replay(journal)
    return entity


class WatchedExecution(Execution):
    """A workflow's activation; keeps the exception that broke it, with its traceback."""

    __slots__ = ("trouble",)

    def __init__(self, kind: WorkflowType, stream: str) -> None:
        super().__init__(kind, stream)
        self.trouble: BaseException | None = None

    def _break(self, error: Nondeterminism | Bug) -> None:
        self.trouble = in_users_code(error.__cause__ or error)
        super()._break(error)
