"""Partitions among nodes: a fair share each, handed over in order, lost without harm, never served by nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from eventstore import StoreUnavailable
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.faults import Fate, every
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Account, Sleeping
from tests.unit.runtime.test_workers import APP as WORKERS
from tests.unit.runtime.test_workers import BEGAN, Inside

PARTITIONS = 8


async def _even(world: World, *nodes: object, shares: list[int]) -> None:
    async def shared() -> bool:
        return sorted(len(node.node.partitions) for node in nodes) == shares  # type: ignore[attr-defined]  # NodeProcess

    await world.until(shared, what=f"shares {shares}")


def test_each_node_gets_its_fair_share() -> None:
    """Also when nodes come and go, in order or not; commands are answered all the while."""

    async def story(world: World) -> None:
        async def keep_asking() -> int:
            answered = 0
            async with world.client() as client:
                while not over.is_set():
                    await asyncio.gather(*(client.call(Account, f"{n}", "deposit", 1, timeout=60) for n in range(16)))
                    answered += 1
                    await asyncio.sleep(0.05)
                assert [await client.query(Account, f"{n}", "balance") for n in range(16)] == [answered] * 16
            return answered

        over = asyncio.Event()
        one = world.node()
        asking = asyncio.ensure_future(keep_asking())
        await _even(world, one, shares=[8])
        two = world.node()
        await _even(world, one, two, shares=[4, 4])
        three = world.node()
        await _even(world, one, two, three, shares=[2, 3, 3])
        await two.stop()
        await _even(world, one, three, shares=[4, 4])
        three.die()
        await _even(world, one, shares=[8])
        over.set()
        assert await asking > 50
        await world.stop_all()
        audit_log(world.store, BANK)
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK, partitions=PARTITIONS)


def test_an_orderly_stop_hands_over_at_once() -> None:
    """The next node need not wait for leases to run out, and nothing is left of the one that went."""

    async def story(world: World) -> None:
        one = world.node()
        await world.served(one)
        two = world.node()
        await two.ready.wait()
        await one.stop()
        stopped = world.elapsed
        await world.served(two)
        assert world.elapsed - stopped < world.settings.lease_ttl
        assert list(world.store.log.nodes) == [two.name]
        await world.stop_all()
        assert not world.store.log.nodes
        assert world.owners() == [None] * PARTITIONS

    simulate(story, BANK, partitions=PARTITIONS, lease_ttl=8.0)


def test_a_fenced_node_drops_the_partition_and_writes_nothing() -> None:
    """Somebody else takes the lease while the node still believes in it; the command is handled by the new owner."""

    async def story(world: World) -> None:
        old = world.node(name="old")
        await world.served(old)
        partition = world.store.log.partitions[1]
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 1)
            partition.owner, partition.epoch = "thief", partition.epoch + 1
            partition.expires_at = world.store.log.partitions[0].expires_at
            calling = asyncio.ensure_future(client.call(Account, "a", "deposit", 10, timeout=60, command_id="x"))
            await world.until(lambda: old.node.partitions == [0])
            assert not calling.done()
            assert len(world.store.log.streams["Account/a"].events) == 1
            assert await calling == 11
        await world.stop_all()
        audit_log(world.store, BANK)
        assert [e.epoch for e in world.store.log.streams["Account/a"].events] == [1, 3]

    simulate(story, BANK)


def test_a_node_without_heartbeats_drops_its_partitions_in_time() -> None:
    """Before its lease could be another's; and takes them again when it can beat."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        began = world.elapsed
        node.leases.plan = every(1, Fate.NOT_DONE, "beat")
        await world.until(lambda: not node.node.partitions)
        assert world.elapsed - began < 1.5 * world.settings.lease_ttl
        node.leases.plan = every(1, Fate.GOOD)
        await world.served(node)
        async with world.client() as client:
            assert await client.call(Account, "a", "deposit", 1, timeout=10) == 1
        await world.stop_all()

    simulate(story, BANK)


@pytest.mark.parametrize("method", ["claim", "release", "beat"])
def test_a_lost_answer_leaves_no_partition_unserved(method: str) -> None:
    """The database says that a lease is ours, and we do not know: the next beat puts that right."""

    async def story(world: World) -> None:
        one = world.node()
        await world.served(one)
        two = world.node(name="two")
        await two.ready.wait()
        one.leases.plan = every(2, Fate.ANSWER_LOST, method)
        two.leases.plan = every(2, Fate.ANSWER_LOST, method, first=1)
        await _even(world, one, two, shares=[4, 4])
        await one.stop()
        await _even(world, two, shares=[8])
        async with world.client() as client:
            for n in range(16):
                assert await client.call(Account, f"{n}", "deposit", 1, timeout=10) == 1
        await world.stop_all()

    simulate(story, BANK, partitions=PARTITIONS)


def test_a_node_that_comes_back_under_its_name_serves_again() -> None:
    """Its former self was killed; what the database says is "ours" must not wait for it for ever."""

    async def story(world: World) -> None:
        first = world.node(name="fixed")
        await world.served(first)
        first.die()
        second = world.node(name="fixed")
        await world.served(second)
        async with world.client() as client:
            assert await client.call(Account, "a", "deposit", 1, timeout=10) == 1
        await world.stop_all()

    simulate(story, BANK)


def test_work_goes_on_across_hand_overs() -> None:
    """Timers, callers that wait and sleeping workflows survive their partition's changes of owner."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            results = [
                asyncio.ensure_future(client.execute(Sleeping, f"{n}", 20.0 + n, timeout=120)) for n in range(20)
            ]
            for _ in range(5):
                await world.pass_time(4)
                following = world.node()
                await following.ready.wait()
                await node.stop()
                node = following
            done = await asyncio.gather(*results)
        assert all(20.0 + n <= slept < 21.0 + n for n, slept in enumerate(done)), done
        await world.stop_all()
        audit_log(world.store, BANK)
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK, partitions=4)


def test_an_owner_that_slept_through_its_lease_keeps_silent() -> None:
    """Its loop stood still for longer than the lease, and somebody else answers now: it must not, from old memory."""

    async def story(world: World) -> None:
        old = world.node(name="old")
        await world.served(old)
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 1)
            beaten, beat = asyncio.Event(), old.leases._inner.beat

            async def late_beat(*arguments: object) -> object:
                await beaten.wait()
                return await beat(*arguments)

            old.leases._inner.beat = late_beat
            world.stand_still(1.1 * world.settings.lease_ttl)
            new = world.node(name="new")
            await world.until(lambda: new.node.partitions == [0, 1])
            assert await client.call(Account, "a", "deposit", 10, timeout=30) == 11
            assert await client.query(Account, "a", "balance", timeout=30) == 11
            beaten.set()
        await world.stop_all()
        audit_log(world.store, BANK)

    simulate(story, BANK)


def test_what_came_while_the_lease_was_in_doubt_is_answered_when_it_is_not() -> None:
    """The loop stood still, nobody took over: no query is lost and no slot of the prefetch stays taken."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 1)
            for _ in range(3):
                asking = [asyncio.ensure_future(client.query(Account, "a", "balance", timeout=60)) for _ in range(20)]
                await asyncio.sleep(0)
                world.stand_still(1.1 * world.settings.lease_ttl)
                assert await asyncio.gather(*asking) == [1] * 20
        await world.stop_all()

    simulate(story, BANK, prefetch=10)


def test_local_work_goes_on_after_a_doubt() -> None:
    """An instance that was loaded while the lease was in doubt still runs what it waits for."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Inside, "1", 5.0)
            await world.until(lambda: BEGAN)
            node.die()
            node = world.node()

            def stall(method: str) -> Fate:
                if method == "load":
                    world.stand_still(1.1 * world.settings.lease_ttl)
                return Fate.GOOD

            node.store.plan = stall
            assert await client.result(Inside, "1", timeout=60) == "Inside/1#1"
        await world.stop_all()

    BEGAN.clear()
    simulate(story, WORKERS)


@pytest.mark.parametrize("fate", [Fate.GOOD, Fate.NOT_DONE])
def test_a_hand_over_waits_for_the_commit_that_is_under_way(fate: Fate) -> None:
    """It takes its time; the loop goes on meanwhile. When it fails, the next owner handles its messages."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        commit, left = node.store._inner.commit, [3]

        async def slow_commit(batch: object) -> object:
            await asyncio.sleep(0.5)
            left[0] -= 1
            if fate is Fate.NOT_DONE and left[0] > 0:
                raise StoreUnavailable("not done, by plan")
            return await commit(batch)

        node.store._inner = Slow(node.store._inner, slow_commit)
        async with world.client() as client:
            calling = asyncio.ensure_future(client.call(Account, "a", "deposit", 1, timeout=60))
            await world.pass_time(0.1)
            began = world.elapsed
            await node.stop()
            assert world.elapsed - began < world.settings.shutdown_grace
            assert world.owners() == [None, None]
            assert ("Account/a" in world.store.log.streams) is (fate is Fate.GOOD)
            world.node()
            assert await calling == 1
        await world.stop_all()

    simulate(story, BANK)


class Slow:
    """A store with another `commit`."""

    def __init__(self, inner: Any, commit: Any) -> None:
        self._inner, self.commit = inner, commit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
