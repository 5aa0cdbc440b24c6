"""What a user writes to keep tables of their own in step with the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeAlias

import asyncpg
from msgspec import Struct

from actors import Actor, App, Workflow
from actors.names import TYPE_NAME
from runtime.errors import ConfigurationError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Recorded(Struct, frozen=True):
    """An event as a projection gets it.

    `data` is an object of the event's class: for actors the one that their `@event` methods take, brought into today's form
    by the actor's upcasters; for workflows one of `actors.journal`, as it was written. An event of a type that the app does
    not know comes as builtins, if it is asked for at all.
    """

    type: str  # of the actor
    id: str
    version: int  # in the actor's stream
    event: str  # the event's own type; today's name of it
    data: Any
    recorded_at: datetime
    partition: int
    offset: int
    causation_id: str | None = None
    correlation_id: str | None = None


class Projection:
    """Tables in Postgres that are made from events: derive from it, and write to them in `apply`.

    class Stocked(Projection):
        actors = (Stock,)

        async def create(self, db):
            await db.execute("CREATE TABLE IF NOT EXISTS stocked (item text PRIMARY KEY, units int NOT NULL)")

        async def apply(self, db, events):
            for event in events:
                match event.data:
                    case Added(units=units):
                        await db.execute("INSERT …", event.id, units)

    What `apply` writes and how far the projection has come are one transaction, so each event counts exactly once, whatever
    dies in between. An event that makes `apply` raise stops the projection before it, until that is mended.
    """

    name: ClassVar[str] = ""
    """Names the checkpoint; the class's name by default. A new name begins at the first event."""

    actors: ClassVar[Sequence[type[Actor] | type[Workflow]]] = ()
    """Whose events it gets; everybody's by default."""

    events: ClassVar[Sequence[type | str]] = ()
    """Which of their events, by class or name; all by default."""

    async def create(self, db: Connection) -> None:
        """Make the tables, in a transaction, each time that it begins to run: they may be there already."""

    async def apply(self, db: Connection, events: Sequence[Recorded]) -> None:
        """Write what these events mean.

        Args:
            db: in a transaction that Perdure ends; `async with db.transaction()` makes a savepoint in it.
            events: of one partition, in its order, at least one. Events of one actor are always of one partition.
        """
        raise NotImplementedError(f"{type(self).__name__} needs `async def apply(self, db, events)`")

    async def clear(self, db: Connection) -> None:  # noqa: ARG002 - for those who override it
        """Empty the tables, in a transaction, so that all events can be applied again."""
        raise ConfigurationError(
            f"{self.title} can't be rebuilt: give it `async def clear(self, db)`, which empties its tables"
        )

    @property
    def title(self) -> str:
        """Its name."""
        return self.name or type(self).__name__


class Projections:
    """An app's projections, registered in one place and named on the command line as `module:projections`.

    Raises:
        ConfigurationError: one of them can't work.
    """

    def __init__(self, app: App, projections: Iterable[Projection]) -> None:
        self.app = app
        self.by_name: dict[str, Projection] = {}
        for projection in projections:
            self._check(projection)
            self.by_name[projection.title] = projection

    def _check(self, projection: Projection) -> None:
        if not isinstance(projection, Projection):
            raise ConfigurationError(f"{projection!r} is no Projection; pass objects, such as Stocked()")
        title = projection.title
        if TYPE_NAME.fullmatch(title) is None:
            raise ConfigurationError(f"{title!r} can't name a projection: use letters, digits, _ or -, at most 64")
        if title in self.by_name:
            raise ConfigurationError(f"two projections are named {title}; give one of them `name = …`")
        for cls in projection.actors:
            if cls.type_name not in self.app.types:
                raise ConfigurationError(f"{title}: {cls.__name__} is not registered; name it in App(actors=[…])")

    def get(self, name: str) -> Projection:
        """Find a projection by its name; raises `ConfigurationError` that lists the ones there are."""
        if (projection := self.by_name.get(name)) is None:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise ConfigurationError(f"no projection is named {name!r}; known: {known}")
        return projection
