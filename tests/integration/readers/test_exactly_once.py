"""What a projection writes and how far it has come are one: each event counts once, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable

import pytest

from eventstore import Selection, StoreUnavailable
from runtime import ConfigurationError, Recorded, Settings, migrate
from runtime.readers.checkpoints import Checkpoints, Superseded
from runtime.readers.projector import rebuild
from tests.acceptance.docs.pages import ROOT
from tests.integration.readers.conftest import Shelves
from tests.integration.readers.shelves import Connection, Levels, Seen
from tests.waiting import wait_until


async def test_catching_up_and_following(shelves: Shelves) -> None:
    """What is there and what comes, of all partitions, and a second run has nothing to do."""
    await shelves.add("a", 1, 2, 3)
    await shelves.add("b", 5)
    async with shelves.running(shelves.projector(Levels(), limit=2)):
        await shelves.until({"a": (6, 3), "b": (5, 1)})
        await shelves.add("c", 7, 7)
        await shelves.add("a", 10)
        await shelves.until({"a": (16, 4), "b": (5, 1), "c": (14, 2)})
    await shelves.add("b", 1)
    async with shelves.running(shelves.projector(Levels())):
        await shelves.until({"a": (16, 4), "b": (6, 2), "c": (14, 2)})


async def test_writes_and_checkpoint_are_one_transaction(shelves: Shelves) -> None:
    """Postgres itself says so: both rows are of the same transaction, batch after batch."""
    async with shelves.running(shelves.projector(Levels())):
        for n in range(1, 4):
            await shelves.add("a", 1, 1)
            await shelves.until({"a": (2 * n, 2 * n)})
            rows = await shelves.sql(
                """SELECT xmin::text FROM levels UNION
                   SELECT xmin::text FROM perdure.checkpoints WHERE partition = 1 AND position = $1""",
                2 * n,
            )
            assert len(rows) == 1, "several transactions"


class Cutting(Levels):
    """Its own connection is cut after some of its writes, and sometimes right when it is done."""

    name = "Levels"

    def __init__(self) -> None:
        self.cuts = 6

    async def apply_one(self, db: Connection, each: Recorded) -> None:
        await super().apply_one(db, each)
        if self.cuts and each.version % 3 == 0:
            self.cuts -= 1
            await db.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_connection_cut_in_the_middle(shelves: Shelves) -> None:
    """The writes before the cut are gone with it, and are done again."""
    for id in "abc":
        await shelves.add(id, *range(10))
    projection = Cutting()
    async with shelves.running(shelves.projector(projection, jitter=lambda: -0.99)):
        await shelves.until(dict.fromkeys("abc", (45, 10)))
    assert projection.cuts == 0


async def test_the_answer_to_the_commit_is_lost(shelves: Shelves) -> None:
    """The transaction is done, nobody knows, and it does not count again."""
    await shelves.add("a", 1, 2, 3)
    projector = shelves.projector(Levels(), jitter=lambda: -0.99)
    moving = projector.checkpoints.moving
    lost: list[bool] = []

    class LosesOneAnswer:
        def __init__(self, *given: int) -> None:
            self._inner = moving(*given)

        async def __aenter__(self) -> Connection:
            return await self._inner.__aenter__()

        async def __aexit__(self, *ended: object) -> bool | None:
            result = await self._inner.__aexit__(*ended)  # type: ignore[arg-type]  # what the with statement gave
            if not lost:
                lost.append(True)
                raise StoreUnavailable("no answer")
            return result

    projector.checkpoints.moving = LosesOneAnswer  # type: ignore[method-assign,assignment]  # in its place
    async with shelves.running(projector):
        await shelves.add("a", 4)
        await shelves.until({"a": (10, 4)})
    assert lost


async def test_two_runners_share_nothing(shelves: Shelves) -> None:
    """One works, the other waits and goes on when the first has ended; nothing counts twice or never."""
    first, second = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        one = group.create_task(shelves.projector(Levels(), ttl=0.3).run(first))
        two = group.create_task(shelves.projector(Levels(), ttl=0.3).run(second))
        for n in range(20):
            await shelves.add("abc"[n % 3], n, n)
            if n == 10:
                first.set()
                await one
        await shelves.until({"a": (126, 14), "b": (140, 14), "c": (114, 12)})
        second.set()
        await two


async def test_an_owner_that_slept_through_its_claim(shelves: Shelves) -> None:
    """It finds that another one went on, and what it wrote meanwhile is undone."""
    await shelves.sql("CREATE TABLE told (what text)")
    asleep = Checkpoints(shelves.database, "Levels", "asleep", ttl=0.001)
    awake = Checkpoints(shelves.database, "Levels", "awake", ttl=30)
    assert await asleep.claim([0, 1]) == {0: 0, 1: 0}
    await wait_until(lambda: awake.claim([0]))
    with pytest.raises(Superseded, match="the checkpoint of partition 0 is not ours at 0 any more"):
        async with asleep.moving(0, 0, 5) as db:
            await db.execute("INSERT INTO told VALUES ('asleep')")
    async with awake.moving(0, 0, 3) as db:
        await db.execute("INSERT INTO told VALUES ('awake')")
    with pytest.raises(Superseded):
        await awake.move(0, 0, 4)
    await asleep.move(1, 0, 2)
    assert [row["what"] for row in await shelves.sql("SELECT what FROM told")] == ["awake"]
    assert await awake.claim([0]) == {0: 3}
    await asleep.close()
    await awake.close()


async def test_rebuilt_from_the_start_on_demand(shelves: Shelves) -> None:
    """While it runs: its tables are emptied, and every event is applied once more, as are those that come."""
    await shelves.add("a", *range(1, 30))
    async with shelves.running(shelves.projector(Levels(), limit=3), shelves.projector(Seen())):
        await shelves.until({"a": (435, 29)})
        await shelves.sql("UPDATE levels SET units = 0")
        for n in range(3):
            assert await rebuild(Levels(), shelves.database) == 3
            await shelves.add("a", n)
        await shelves.until({"a": (438, 32)})


async def test_what_says_no_way_to_be_emptied_is_not_rebuilt(shelves: Shelves) -> None:
    """It says what is missing, and goes on where it was."""
    await shelves.add("a", 1)
    async with shelves.running(shelves.projector(Seen())):
        await wait_until(lambda: shelves.sql("SELECT FROM perdure.checkpoints WHERE position = 1"))
    with pytest.raises(ConfigurationError, match="Seen can't be rebuilt: give it `async def clear"):
        await rebuild(Seen(), shelves.database)
    assert await shelves.sql("SELECT FROM perdure.checkpoints WHERE position = 1")
    assert await rebuild(Levels(), shelves.database) == 0


async def test_tables_in_another_database(shelves: Shelves, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """The checkpoint lies beside the tables."""
    other = await fresh_database()
    await migrate(Settings(database_url=shelves.database, projections_url=other))
    shelves.database = other
    await shelves.add("a", 3, 4)
    async with shelves.running(shelves.projector(Levels())):
        shelves.kit.dsn, log = other, shelves.kit.dsn
        await shelves.until({"a": (7, 2)})
        shelves.kit.dsn = log
    assert not await shelves.sql("SELECT FROM perdure.checkpoints")


async def test_events_of_other_types_move_the_checkpoint(shelves: Shelves) -> None:
    """What is not wanted is passed, so that it is not looked at again and does not show as lag."""
    await shelves.add("a", 1)
    projector = shelves.projector(Levels(), ttl=0.3)
    projector._selection = Selection(types=("Nobody",))
    async with shelves.running(projector):
        await wait_until(lambda: shelves.sql("SELECT FROM perdure.checkpoints WHERE position = 1"))


async def _runner(shelves: Shelves) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime.cli", "projection", "run", "tests.integration.readers.shelves:projections",
        "--log-level", "error", cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PERDURE_DATABASE_URL": shelves.database},
    )  # fmt: skip


async def _seen(shelves: Shelves) -> int:
    if not (await shelves.sql("SELECT to_regclass('seen') IS NOT NULL AS there"))[0]["there"]:
        return 0
    count: int = (await shelves.sql("SELECT count(*) FROM seen"))[0]["count"]
    return count


MOST_AHEAD = 300  # events that are written before they are seen; the rest of the test is the time to work them off


@pytest.mark.timeout(120)
async def test_killed_in_the_middle_and_restarted(shelves: Shelves) -> None:
    """SIGKILL while it works, and while events come; in the end every count is exact."""
    chance = random.Random(8)
    written: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    enough = asyncio.Event()

    async def fill() -> None:
        looked = 0
        while not enough.is_set():
            id, units = chance.choice("abc"), [chance.randint(1, 9) for _ in range(chance.randint(1, 9))]
            await shelves.add(id, *units)
            written[id] += units
            if sum(map(len, written.values())) >= looked + MOST_AHEAD:
                looked = await wait_until(
                    lambda: _worked_off(shelves, written, enough), seconds=30, what="it is worked off"
                )

    filling = asyncio.create_task(fill())
    for _ in range(3):
        process = await _runner(shelves)
        try:
            goal = await _seen(shelves) + chance.randint(1, 120)
            await wait_until(lambda: _beyond(shelves, goal), seconds=30, what="it works")  # noqa: B023 - at once
        finally:
            process.send_signal(signal.SIGKILL)
            await process.wait()
        await shelves.sql("UPDATE perdure.checkpoints SET leased_until = now() - interval '1 s' WHERE owner <> ''")
    enough.set()
    await filling
    process = await _runner(shelves)
    try:
        await shelves.until({id: (sum(units), len(units)) for id, units in written.items()}, seconds=40)
        total = sum(len(units) for units in written.values())
        await wait_until(lambda: _beyond(shelves, total - 1), seconds=20, what="all are seen")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
            await process.wait()
    assert await _seen(shelves) == total


async def _worked_off(shelves: Shelves, written: dict[str, list[int]], enough: asyncio.Event) -> int:
    """How many are seen, when most of those that are written are, or no more will be; else 0."""
    seen, total = await _seen(shelves), sum(map(len, written.values()))
    return total if enough.is_set() else seen if seen > total - MOST_AHEAD else 0


async def _beyond(shelves: Shelves, count: int) -> bool:
    return await _seen(shelves) > count
