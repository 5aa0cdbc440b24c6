"""Nodes keep snapshots of actors, and begin with one where they are sure that they may."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from msgspec.structs import replace
from structlog.testing import capture_logs

from actors import App, SnapshotRefused
from actors.definition import ActorType
from actors.entity import Entity
from eventstore import Commit, LoadedStream, NewEvent, RecordedEvent, Snapshot
from eventstore.memory.log import Stream
from runtime import Client, CommandFailed, CommandQuarantined, Conflict
from runtime.hosting.snapshots import ActorSnapshots
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import (
    DOUBLING,
    NEVER,
    TALLIES,
    Counter,
    Loose,
    Tally,
    Waiting,
    check_snapshots,
    count_reads,
)

TWELVE = list(range(1, 13))


async def add(client: Client, units: list[int] = TWELVE, id: str = "a") -> None:
    """Add these, each with a command id of its own."""
    for number, each in enumerate(units):
        await client.call(Tally, id, "add", each, command_id=f"c{number}")


def stream(world: World, name: str = "Tally/a") -> Stream:
    """What the store holds of one stream."""
    return world.store.log.streams[name]


def code_of(app: App) -> str:
    """The fingerprint of an app's tally."""
    kind = app.type("Tally")
    assert isinstance(kind, ActorType)
    return kind.snapshot_format.code


async def finish(world: World) -> None:
    """Stop, and look whether all that was kept is right."""
    await world.stop_all()
    audit_log(world.store, TALLIES)
    check_snapshots(world.store, TALLIES)


async def sum_of(client: Client) -> Any:
    """Ask; the answer has the sum and its history."""
    return (await client.query(Tally, "a", "view", timeout=60)).units


def test_they_are_taken_as_the_policy_says() -> None:
    """Every five events, in the commit of the fifth; the last two are kept."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await add(client, TWELVE[:9])
            assert list(stream(world).snapshots) == [5]
            await add(client, [20] * 13, "b")
            assert list(stream(world, "Tally/b").snapshots) == [5, 10]
            await client.call(Tally, "c", "add_each", TWELVE)
            assert list(stream(world, "Tally/c").snapshots) == [12]
        await finish(world)

    simulate(story, TALLIES)


def test_deleting_all_snapshots_loses_nothing() -> None:
    """The stream is folded from its first event, and a new one is taken at once."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await add(client)
            node.die()
            await world.store.delete_snapshots("Tally/a")
            read.clear()
            node = world.node()
            assert await sum_of(client) == sum(TWELVE)
            assert read == [("Tally/a", 0, 12)]
            assert list(stream(world).snapshots) == [12]
        await finish(world)

    simulate(story, TALLIES)


def test_an_activation_reads_only_the_tail() -> None:
    """100,000 events, of which those after the last snapshot are read."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            for _ in range(20):
                await client.call(Counter, "a", "count", 4999)
            await client.call(Counter, "a", "count", 20)
            for _ in range(123):
                await client.call(Counter, "a", "count", 1)
            node.die()
            world.node()
            read.clear()
            assert await client.query(Counter, "a", "units", timeout=60) == 100_123
            assert read == [("Counter/a", 99_980, 143)]
        await finish(world)

    simulate(story, TALLIES)


def test_a_snapshot_of_another_code_is_ignored_and_rebuilt() -> None:
    """The new code folds from the first event and keeps a snapshot of its own. Rolled back, the old one's is used again."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await add(client)
            node.die()
            node = world.node(app=DOUBLING)
            assert await sum_of(client) == 2 * sum(TWELVE)
            assert read[-1] == ("Tally/a", 0, 12)
            assert {v: s.code for v, s in stream(world).snapshots.items()} == {
                10: code_of(TALLIES),
                12: code_of(DOUBLING),
            }
            node.die()
            world.node()
            assert await sum_of(client) == sum(TWELVE)
            assert read[-1] == ("Tally/a", 0, 2)  # asked for as what comes after version 10
        check_snapshots(world.store, DOUBLING)
        await finish(world)

    simulate(story, TALLIES)


def _undecodable(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, data=b'{"units":"x"}')


def _misleading(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, data=b'{"units":9999999999,"history":[]}')


def _of_another_schema(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, schema=snapshot.schema + 1)


@pytest.mark.parametrize("damage", [_undecodable, _misleading, _of_another_schema])
@pytest.mark.parametrize("versions", [[10], [5, 10]])
def test_a_damaged_one_is_passed_over(damage: Any, versions: list[int]) -> None:
    """With a line in the log, for an older one that is good, or for the events; also where the events after it don't fit."""

    async def story(world: World) -> list[Any]:
        structlog.reset_defaults()
        node = world.node()
        async with world.client() as client:
            await add(client)
            node.die()
            for version in versions:
                stream(world).snapshots[version] = damage(stream(world).snapshots[version])
            with capture_logs() as lines:
                world.node()
                assert await sum_of(client) == sum(TWELVE)
                assert await client.call(Tally, "a", "add", 1) == sum(TWELVE) + 1
            for version in versions:
                stream(world).snapshots.pop(version, None)
        await finish(world)
        return [line["snapshot"] for line in lines if line["event"] == "snapshot passed over"]

    assert simulate(story, TALLIES) == sorted(versions, reverse=True)


def test_one_that_the_log_does_not_go_on_from_is_refused() -> None:
    """The events that come after it must be the next ones."""
    kind = TALLIES.type("Tally")
    assert isinstance(kind, ActorType)
    kept = Snapshot(10, b'{"units":1,"history":[1]}', code=kind.snapshot_format.code)
    event = RecordedEvent(0, 1, "Tally/a", 12, 1, "Added", b'{"units":1}', datetime.now(UTC))
    with pytest.raises(SnapshotRefused, match="goes on from version 12"):
        ActorSnapshots(kind).begin(Entity(kind, "Tally/a"), LoadedStream("Tally/a", [event], kept))


def test_a_stale_owner_can_not_write_one() -> None:
    """It travels in the actor's own commit: refused with it, whoever lost the partition leaves nothing behind."""

    async def story(world: World) -> None:
        node = world.node()
        commits: list[Commit] = []
        commit = world.store.commit

        async def watched(batch: Any) -> Any:
            commits.extend(batch)
            return await commit(batch)

        async with world.client() as client:
            await add(client, TWELVE[:4])
            number = stream(world).partition
            partition = world.store.log.partitions[number]
            partition.epoch, partition.owner, partition.expires_at = partition.epoch + 1, "thief", world.now()
            event = NewEvent("Added", b'{"units":100}', world.now())
            assert await commit([Commit(number, partition.epoch, "Tally/a", 4, [event])]) == [None]
            world.store.commit = watched  # type: ignore[method-assign]  # a spy
            assert await client.call(Tally, "a", "add", 7, timeout=60) == sum(TWELVE[:4]) + 107
            stale = [c for c in commits if c.epoch < partition.epoch and c.snapshot is not None]
            assert [c.snapshot.version for c in stale if c.snapshot] == [5]
        assert node.node.activations == 1
        await finish(world)

    simulate(story, TALLIES)


def test_a_command_from_before_the_snapshot_counts_once() -> None:
    """What was handled is known by the inbox, not by the events; another input is a conflict."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await add(client)
            node.die()
            world.node()
            assert await client.call(Tally, "a", "add", 3, command_id="c2", timeout=60) == 6
            assert read[-1] == ("Tally/a", 10, 2)
            assert await client.call(Tally, "a", "add", 12, command_id="c11") == sum(TWELVE)
            with pytest.raises(Conflict):
                await client.call(Tally, "a", "add", 4, command_id="c2")
            assert len(stream(world).events) == 12
        await finish(world)

    simulate(story, TALLIES)


def test_refused_and_crashed_commands_leave_no_trace_in_one() -> None:
    """They had changed the state in memory before."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for number in range(12):
                with pytest.raises(CommandFailed):
                    await client.call(Tally, "a", "add", -1)
                await client.call(Tally, "a", "add", 1)
                if number % 4 == 0:
                    with pytest.raises(CommandQuarantined):
                        await client.call(Tally, "a", "add", 13)
            assert await sum_of(client) == 12
            assert list(stream(world).snapshots) == [5, 10]
        await finish(world)

    simulate(story, TALLIES)


def test_a_class_may_do_without() -> None:
    """None are written, and those that are there are not used."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await add(client)
            node.die()
            world.node(app=NEVER)
            assert await sum_of(client) == sum(TWELVE)
            await client.call(Tally, "a", "add_each", TWELVE)
            assert read[-1] == ("Tally/a", 0, 12)
            assert list(stream(world).snapshots) == [5, 10]
        await finish(world)

    simulate(story, TALLIES)


def test_a_state_that_can_not_be_kept_is_told_and_does_no_harm() -> None:
    """Now and then a line in the log; the commands are handled."""

    async def story(world: World) -> list[Any]:
        structlog.reset_defaults()
        with capture_logs() as lines:
            world.node()
            async with world.client() as client:
                for number in range(12):
                    await client.call(Loose, "a", "add", number)
            assert stream(world, "Loose/a").snapshots == {}
            await world.stop_all()
        return [(line["version"], line["reason"]) for line in lines if line["event"] == "no snapshot"]

    told = simulate(story, TALLIES)
    assert [version for version, _ in told] == [5, 10]
    assert "state.history" in told[0][1] or "Expected `int`" in told[0][1]


def test_a_workflow_is_replayed_from_its_first_event() -> None:
    """Whatever somebody left in its stream."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Waiting, "1")
            world.store.log.keep_snapshot("Waiting/1", Snapshot(1, b"{}"))
            node.die()
            world.node()
            assert await client.call(Waiting, "1", "ring", timeout=60) == "rung"
        await world.stop_all()

    simulate(story, TALLIES)
