"""An app with projections of its events, for this folder's tests; also run as `tests.integration.readers.shelves:projections`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import asyncpg
from msgspec import Struct

from actors import Actor, App, command, event
from runtime import Projection, Projections, Recorded

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Added(Struct):
    units: int


class Emptied(Struct):
    pass


class Level(Struct):
    units: int = 0


class Shelf(Actor):
    state: Level

    @command
    def add(self, units: int) -> None:
        self.emit(Added(units))

    @event
    def added(self, added: Added) -> None:
        self.state.units += added.units

    @event
    def emptied(self, _emptied: Emptied) -> None:
        self.state.units = 0


class Levels(Projection):
    """Units and number of events of each shelf: an event that counts twice or never is seen in both."""

    actors = (Shelf,)

    async def create(self, db: Connection) -> None:
        await db.execute("CREATE TABLE IF NOT EXISTS levels (id text PRIMARY KEY, units int, events int, version int)")

    async def apply(self, db: Connection, events: Sequence[Recorded]) -> None:
        for each in events:
            await self.apply_one(db, each)

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        units = each.data.units if isinstance(each.data, Added) else 0
        done = await db.fetchval(
            """INSERT INTO levels VALUES ($1, $2, 1, $3) ON CONFLICT (id) DO UPDATE
               SET units = levels.units + $2, events = levels.events + 1, version = $3
               WHERE levels.version = $3 - 1 RETURNING 1""",
            each.id,
            units,
            each.version,
        )
        assert done, f"{each.id} version {each.version} came out of turn"

    async def clear(self, db: Connection) -> None:
        await db.execute("TRUNCATE levels")


class Seen(Projection):
    """Every event's place, whoever's it is."""

    async def create(self, db: Connection) -> None:
        await db.execute("CREATE TABLE IF NOT EXISTS seen (place text PRIMARY KEY)")

    async def apply(self, db: Connection, events: Sequence[Recorded]) -> None:
        await db.executemany("INSERT INTO seen VALUES ($1)", [(f"{e.partition}:{e.offset}",) for e in events])


app = App(actors=[Shelf])
projections = Projections(app, [Levels(), Seen()])
