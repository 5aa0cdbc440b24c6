"""An event that can't be handled stops its projection with a clear error, and leaves the rest alone."""

from __future__ import annotations

import asyncpg
import pytest

from actors import App
from runtime import ConfigurationError, Projection, Projections, Recorded
from runtime.readers.log_reader import Stopped
from runtime.readers.projector import rebuild
from tests.integration.readers.conftest import Shelves
from tests.integration.readers.shelves import Connection, Levels, Seen, Shelf, app
from tests.waiting import wait_until


class Picky(Levels):
    """Does not like one number of units, until it is told to."""

    name = "Levels"

    def __init__(self, disliked: int) -> None:
        self.disliked = disliked

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        await super().apply_one(db, each)
        if each.data.units == self.disliked:
            raise ValueError(f"{self.disliked} units do not fit")


async def test_it_stops_before_the_poison_and_goes_on_once_mended(shelves: Shelves) -> None:
    """Everything before the bad event counts; the error names it; another projection has all; mended, it goes on."""
    await shelves.add("a", 1, 2, 13, 4)
    picky = Picky(13)
    async with shelves.running(shelves.projector(picky, jitter=lambda: -0.99), shelves.projector(Seen())):
        assert await shelves.trouble("Levels") == (
            "Levels stopped before Shelf/a version 3 (Added), partition 1 offset 3: ValueError: 13 units do not fit"
        )
        assert await shelves.levels() == {"a": (3, 2)}
        await wait_until(lambda: shelves.sql("SELECT FROM seen HAVING count(*) = 4"))
        await shelves.add("a", 5)
        await wait_until(lambda: shelves.sql("SELECT FROM seen HAVING count(*) = 5"))
        picky.disliked = 0
        await shelves.until({"a": (25, 5)})
    assert not await shelves.sql("SELECT FROM perdure.checkpoints WHERE trouble <> ''")


@pytest.mark.parametrize(
    ("type", "data", "said"),
    [
        ("Added", b'{"units":"many"}', "PayloadRefused: Expected `int`"),
        ("Added", b"\xff", "PayloadRefused: "),
        ("Vanished", b"{}", "UnknownName: Shelf has no event 'Vanished'; it knows Added, Emptied"),
    ],
)
async def test_events_that_can_not_be_read(shelves: Shelves, type: str, data: bytes, said: str) -> None:
    """Data that is not what the type says, and a type that the app does not know: named, never skipped."""
    await shelves.add("a", 1)
    await shelves.add("a", 0, data=data, type=type)
    async with shelves.running(shelves.projector(Levels())):
        trouble = await shelves.trouble("Levels")
    assert f"stopped before Shelf/a version 2 ({type})" in trouble
    assert said in trouble
    assert await shelves.levels() == {"a": (1, 1)}


class Swallowing(Levels):
    name = "Levels"

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        await super().apply_one(db, each)
        try:
            await db.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            return


class Ending(Levels):
    name = "Levels"

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        await db.execute("ROLLBACK")


class Careful(Levels):
    name = "Levels"

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        await super().apply_one(db, each)
        try:
            async with db.transaction():
                await db.execute("UPDATE levels SET units = -1")
                await db.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            return


async def test_a_spoilt_transaction_is_noticed(shelves: Shelves) -> None:
    """A database error that was swallowed and a transaction that was ended lose writes; a savepoint does not."""
    await shelves.add("a", 1, 2)
    async with shelves.running(shelves.projector(Swallowing())):
        assert "the transaction was void by then" in await shelves.trouble("Levels")
    assert await shelves.levels() == {}
    await shelves.sql("UPDATE perdure.checkpoints SET trouble = NULL")
    async with shelves.running(shelves.projector(Ending())):
        assert "it ended the transaction" in await shelves.trouble("Levels")
    async with shelves.running(shelves.projector(Careful())):
        await shelves.until({"a": (3, 2)})


class Unmade(Levels):
    name = "Unmade"

    async def create(self, db: Connection) -> None:
        await db.execute("CREATE TABLE levels (id nonsense)")

    async def clear(self, db: Connection) -> None:
        await db.execute("TRUNCATE nothing")


async def test_tables_that_can_not_be_made(shelves: Shelves) -> None:
    """It waits for the fix, as another projection goes on."""
    await shelves.add("a", 1)
    async with shelves.running(shelves.projector(Unmade()), shelves.projector(Levels())):
        await shelves.until({"a": (1, 1)})


async def test_tables_that_can_not_be_emptied(shelves: Shelves) -> None:
    """The projection stays where it was."""
    await shelves.sql("INSERT INTO perdure.checkpoints (reader, partition, position) VALUES ('Unmade', 0, 7)")
    with pytest.raises(Stopped, match="Unmade can't empty its tables, and stays as it was: UndefinedTableError"):
        await rebuild(Unmade(), shelves.database)
    assert await shelves.sql("SELECT FROM perdure.checkpoints WHERE position = 7")


async def test_a_checkpoint_ahead_of_the_log(shelves: Shelves) -> None:
    """The log was restored from an older copy: that is said, and nothing is applied."""
    await shelves.add("a", 1)
    await shelves.sql("INSERT INTO perdure.checkpoints (reader, partition, position) VALUES ('Levels', 1, 7)")
    async with shelves.running(shelves.projector(Levels()), shelves.projector(Seen())):
        assert "the position 7 is beyond the head 1" in await shelves.trouble("Levels")
        await wait_until(lambda: shelves.sql("SELECT FROM seen HAVING count(*) = 1"))
    assert await shelves.levels() == {}


class Mute(Projection):
    actors = (Shelf,)


class Oddly(Projection):
    name = "no name"


def test_what_can_not_be_registered() -> None:
    """Each mistake is told when the projections are put together."""
    for wrong, said in (
        ([Levels(), Levels()], "two projections are named Levels"),
        ([Levels], "is no Projection; pass objects"),
        ([Oddly()], "can't name a projection"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            Projections(app, wrong)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(ConfigurationError, match="Mute: Shelf is not registered"):
        Projections(App(), [Mute()])
    with pytest.raises(ConfigurationError, match="no projection is named 'x'; known: Levels"):
        Projections(app, [Levels()]).get("x")


async def test_a_projection_without_apply(shelves: Shelves) -> None:
    """Says what it needs."""
    await shelves.add("a", 1)
    async with shelves.running(shelves.projector(Mute())):
        assert "Mute needs `async def apply(self, db, events)`" in await shelves.trouble("Mute")
