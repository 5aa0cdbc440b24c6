"""A fork whose node dies at any moment, whose answer is lost, or that is asked for by many at once: it is made once, and whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.errors import Conflict
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_forks import APP, Order, an_order, events_of

COPIED = ["RunStarted", "TaskScheduled", "TaskCompleted", "TaskCompleted"]


@pytest.mark.parametrize("die_at", range(36, 64))  # it is up at 40, and has forked at 57
def test_a_fork_whose_node_dies_at_any_await(die_at: int) -> None:
    """Another node makes it, or finds it made."""

    async def story(world: World) -> None:
        first = world.node()
        worker = world.worker()
        async with world.client() as client:
            original = await an_order(world, client)
            await first.stop()
            world.node(die_at=die_at)
            asked = asyncio.ensure_future(client.fork(Order, "1", "2", at=4, timeout=200))
            await world.pass_time(3)
            world.node()
            await asked
            assert types_of(world.store, "Order/2") == COPIED
            await client.call(Order, "2", "release", timeout=100)
            assert await client.result(Order, "2", timeout=100) == "2 for 11"
            assert events_of(world, "Order/1") == original
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=300)
        del worker
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues, ended=False)

    simulate(story, APP)


def test_many_forks_with_one_id_make_one() -> None:
    """The same ones all succeed, one of them by making it; the others are told of the conflict."""

    async def story(world: World) -> None:
        world.node()
        world.node()
        world.worker()
        async with world.client() as client:
            await an_order(world, client)
            same = [client.fork(Order, "1", "2", at=4) for _ in range(5)]
            answers: list[Any] = await asyncio.gather(*same, client.fork(Order, "1", "2", at=3), return_exceptions=True)
            made = [answer for answer in answers if answer is True]
            assert len(made) == 1
            assert all(answer in {True, False} or isinstance(answer, Conflict) for answer in answers)
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=300)
        await world.stop_all()
        assert len(events_of(world, "Order/2")) == 4
        audit_log(world.store, APP)

    simulate(story, APP)
