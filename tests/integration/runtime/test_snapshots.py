"""Snapshots on real Postgres: whatever becomes of them, an actor is what its events say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
import pytest
import structlog
from structlog.testing import capture_logs

from actors import Actor, App, Snapshots
from actors.definition import ActorType
from actors.entity import Entity
from eventstore import Commit, LoadedStream, LoadRequest, NewEvent
from eventstore.postgres import PostgresStore
from runtime import Client, CommandError, Settings, connect
from runtime.assembly import open_leases, open_store, open_transport
from runtime.node import Node
from runtime.routing import partition_of
from tests.integration.runtime.crew_app import settings_for
from tests.migrated import declare
from tests.unit.runtime.tally import DOUBLING, TALLIES, Counter, Tally
from tests.waiting import wait_until

TWELVE = list(range(1, 13))
Read = list[tuple[str, int, int]]


@pytest.fixture
async def place(migrated_database: Callable[[int], Awaitable[str]]) -> Settings:
    """A migrated database, where Postgres carries the messages, too."""
    return await _place(await migrated_database(2))


async def _place(database: str, **others: Any) -> Settings:
    settings = settings_for(database, None, partitions=2, **others)
    await declare(settings, TALLIES)
    return settings


@asynccontextmanager
async def node(settings: Settings, app: App = TALLIES) -> AsyncIterator[Node]:
    """Run a node; it ends in order."""
    stop, ready = asyncio.Event(), asyncio.Event()
    async with (
        open_store(settings) as store,
        open_leases(settings) as leases,
        open_transport(settings, owns_partitions=True) as transport,
        asyncio.TaskGroup() as group,
    ):
        made = Node(app, store, leases, transport, settings)
        group.create_task(made.run(stop, ready.set))
        try:
            await ready.wait()
            yield made
        finally:
            stop.set()


def unload(node: Node) -> bool:
    """Unload what is idle; says whether nothing is left."""
    for service, _ in node._serving.values():
        service.host.tidy(-1.0, 0)
    return node.activations == 0


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    """What is loaded: the stream, the version that it began from, how many events were read."""
    found: Read = []
    load = PostgresStore.load

    async def counted(self: PostgresStore, requests: Any) -> list[LoadedStream]:
        loaded = await load(self, requests)
        found.extend((s.stream, 0 if s.snapshot is None else s.snapshot.version, len(s.events)) for s in loaded)
        return loaded

    monkeypatch.setattr(PostgresStore, "load", counted)
    return found


async def sql(settings: Settings, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Run a statement as an outsider."""
    connection = await asyncpg.connect(settings.database_url)
    try:
        return await connection.fetch(statement, *arguments)
    finally:
        await connection.close()


async def kept(settings: Settings, stream: str = "Tally/a") -> list[int]:
    """The versions of a stream's snapshots."""
    rows = await sql(settings, "SELECT version FROM perdure.snapshots WHERE stream = $1 ORDER BY 1", stream)
    return [row["version"] for row in rows]


async def check(settings: Settings, app: App = TALLIES) -> None:
    """Check that all events, and the newest snapshot with what comes after it, give the same (I9)."""
    async with open_store(settings) as store:
        for row in await sql(settings, "SELECT DISTINCT stream FROM perdure.snapshots"):
            name = row["stream"]
            kind = app.type(name.partition("/")[0])
            assert isinstance(kind, ActorType)
            whole, begun = Entity(kind, name), Entity(kind, name)
            whole.replay(await store.read_stream(name))
            [loaded] = await store.load([LoadRequest(name)])
            if loaded.snapshot is not None and loaded.snapshot.code == kind.snapshot_format.code:
                begun.restore(loaded.snapshot.version, loaded.snapshot.data)
                begun.replay(loaded.events)
                assert (begun.version, begun.state()) == (whole.version, whole.state())


async def add(client: Client, units: list[int] = TWELVE) -> None:
    """Add these, each with a command id of its own."""
    for number, each in enumerate(units):
        await client.call(Tally, "a", "add", each, command_id=f"c{number}")


async def sum_of(client: Client) -> int:
    """Ask."""
    answer: int = (await client.query(Tally, "a", "view")).units
    return answer


async def test_a_hundred_thousand_events_are_not_read(place: Settings, read: Read) -> None:
    """Only what came after the last snapshot."""
    async with connect(place) as client:
        async with node(place):
            for _ in range(20):
                await client.call(Counter, "a", "count", 5000, timeout=60)
            for _ in range(100):
                await client.call(Counter, "a", "count", 1)
        read.clear()
        async with node(place):
            assert await client.query(Counter, "a", "units") == 100_100
            assert read == [("Counter/a", 100_000, 100)]
    await check(place)


async def test_deleting_all_snapshots_loses_nothing(place: Settings, read: Read) -> None:
    """The next activation folds everything, and keeps a new one at once."""
    async with connect(place) as client:
        async with node(place):
            await add(client)
            assert await kept(place) == [5, 10]
        await sql(place, "DELETE FROM perdure.snapshots")
        read.clear()
        async with node(place):
            assert await sum_of(client) == sum(TWELVE)
            assert read == [("Tally/a", 0, 12)]
            assert await kept(place) == [12]
            assert await client.call(Tally, "a", "add", 3, command_id="c2") == 6
    await check(place)


async def test_a_snapshot_of_another_code_is_ignored_and_rebuilt(place: Settings, read: Read) -> None:
    """And when the code is rolled back, its own older one is used again."""
    async with connect(place) as client:
        async with node(place):
            await add(client)
        async with node(place, DOUBLING):
            assert await sum_of(client) == 2 * sum(TWELVE)
            assert read[-1] == ("Tally/a", 0, 12)
            assert await kept(place) == [10, 12]
        await check(place, DOUBLING)
        async with node(place):
            assert await sum_of(client) == sum(TWELVE)
            assert read[-1] == ("Tally/a", 0, 2)
    await check(place)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE perdure.snapshots SET data = replace(encode(data, 'escape'), '55', '56')::bytea WHERE version = 10",
        "UPDATE perdure.snapshots SET checksum = '' WHERE version = 10",
        "UPDATE perdure.snapshots SET version = 11 WHERE version = 10",
        "UPDATE perdure.snapshots SET stream = 'Tally/b' WHERE version = 5;",
    ],
)
async def test_a_damaged_one_is_passed_over(place: Settings, damage: str) -> None:
    """With a line in the log."""
    structlog.reset_defaults()
    async with connect(place) as client:
        async with node(place):
            await add(client)
            await client.call(Tally, "b", "add_each", TWELVE[:7], command_id="all")
            await sql(place, "DELETE FROM perdure.snapshots WHERE stream = 'Tally/b'")
        await sql(place, damage)
        with capture_logs() as lines:
            async with node(place):
                assert await sum_of(client) == sum(TWELVE)
                assert (await client.query(Tally, "b", "view")).units == sum(TWELVE[:7])
    assert [line["log_level"] for line in lines if line["event"] == "snapshot damaged"] == ["error"]
    await check(place)


async def test_a_stale_owner_can_not_write_one(place: Settings) -> None:
    """Somebody took the partition and wrote; the old owner's commit is refused, and its snapshot with it."""
    async with connect(place) as client, node(place):
        await add(client, TWELVE[:4])
        async with open_store(place) as store:
            partition = partition_of("Tally/a", 2)
            [head] = await sql(
                place,
                "UPDATE perdure.partitions SET epoch = epoch + 1, owner = 'thief', "
                "expires_at = now() + interval '1 second' WHERE partition = $1 RETURNING epoch",
                partition,
            )
            event = NewEvent("Added", b'{"units":100}', datetime.now(UTC))
            assert await store.commit([Commit(partition, head["epoch"], "Tally/a", 4, [event])]) == [None]
        assert await client.call(Tally, "a", "add", 7, timeout=40) == sum(TWELVE[:4]) + 107
        assert await kept(place) == [5]  # of the new owner: the fold of what the thief wrote, too
        await check(place)


def _kept_as(policy: Snapshots | None) -> App:
    made: type[Actor] = type("Kept", (Tally,), {"snapshots": policy}, name="Tally")
    return App(actors=[made])


async def _all_of(
    settings: Settings, app: App, seed: int, *, unloading: bool = False, twice: bool = False
) -> list[Any]:
    """Run random commands; gives all that can be seen of them."""
    chance = random.Random(seed)
    seen: list[Any] = []
    async with connect(settings) as client, node(settings, app) as running:
        for _ in range(40):
            id, units, actor = f"c{chance.randrange(30)}", chance.randrange(-2, 12), chance.choice("ab")
            calls = [client.call(Tally, actor, "add", units, command_id=id) for _ in range(1 + twice)]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(answer, int | CommandError) for answer in answers), answers
            assert len({str(answer) for answer in answers}) == 1
            seen.append(str(answers[0]))
            if unloading:
                await wait_until(lambda: unload(running), what="unloaded")
        seen += [msgspec.to_builtins(await client.query(Tally, actor, "view")) for actor in "ab"]
    events = "SELECT stream, version, convert_from(data, 'UTF8') FROM perdure.events ORDER BY 1, 2"
    seen += [tuple(row) for row in await sql(settings, events)]
    await check(settings, app)
    return seen


@pytest.mark.parametrize("seed", [1, 2])
async def test_identical_results(migrated_database: Callable[[int], Awaitable[str]], seed: int) -> None:
    """Without snapshots; with one at each event; unloaded after each command; every command sent twice; all of it."""
    without, each = _kept_as(None), _kept_as(Snapshots(every_events=1, least_share=0))

    async def run(app: App, **how: bool) -> list[Any]:
        return await _all_of(await _place(await migrated_database(2)), app, seed, **how)

    expected = await run(without)
    assert len(expected) > 50
    assert await run(each) == expected
    assert await run(without, unloading=True) == expected
    assert await run(each, unloading=True) == expected
    assert await run(each, twice=True) == expected
    assert await run(each, unloading=True, twice=True) == expected
