"""Commands from one instance to another that were lost for a while come again together, and in order."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime, timedelta

import pytest

from actors import App, Workflow
from runtime.hosting.children import MOST_BETWEEN, together_after
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_calls import Notes
from tests.unit.runtime.test_children import LossyBroker

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAST = timedelta(seconds=4)
HELD_UP = 1.3  # seconds from a message's leaving until it is known when it leaves again


def _times(given: float, until: float) -> list[float]:
    """When a command leaves that was given at a time, and is never answered, all in seconds."""
    sent = BEGAN + timedelta(seconds=given)
    now, times = sent, []
    while now < BEGAN + timedelta(seconds=until):
        now += timedelta(seconds=HELD_UP)
        now += together_after("Vault/a Book/b", now - sent, now, LEAST)
        times.append(round((now - BEGAN).total_seconds(), 3))
    return times


@pytest.mark.parametrize("apart", [0.01, 1.0, 3.7, 20.0, 111.1])
def test_whenever_the_older_one_comes_again_so_does_the_younger(apart: float) -> None:
    """Else it would come before the other one, be passed over, and the other way round for ever."""
    older, younger = _times(0.0, 20_000), _times(apart, 20_000)
    late = [time for time in older if time > apart + 16 * LEAST.total_seconds() + 2 * apart]
    missing = [time for time in late if time not in younger]
    assert len(late) > 8
    assert len(missing) <= 1  # while its own pause doubles


def test_pauses_grow_up_to_an_hour() -> None:
    """One that waits long does not load the broker."""
    for age in (0, 5, 50, 500, 5_000, 500_000):
        pause = together_after("Vault/a Book/b", timedelta(seconds=age), BEGAN, LEAST)
        assert LEAST <= pause <= max(LEAST, 1.5 * min(timedelta(seconds=age), MOST_BETWEEN))


class Teller(Workflow):
    """Tells others something every few seconds."""

    async def run(self, times: int) -> None:
        for number in range(times):
            self.tell(Notes, "a").note(str(number))
            await asyncio.sleep(3)


def test_what_was_lost_for_a_while_arrives_soon_after() -> None:
    """Twenty commands were lost for a minute, again and again; then all arrive with the first one, or a time later."""
    app = App(actors=[Teller, Notes])
    broker = LossyBroker(b'"name":"note"', losses=sys.maxsize)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Teller, "1", 20)
        await world.pass_time(61)
        broker.losses = 0
        await world.until(
            lambda: "Notes/a" in world.store.log.streams and len(types_of(world.store, "Notes/a")) == 20, seconds=100
        )
        await world.until(lambda: not any(partition.outbox for partition in world.store.log.partitions))
        await world.stop_all()
        audit_log(world.store, app)
        audit_rest(world.store, world.broker, app.task_queues)

    simulate(story, app, broker=broker, sweep_after=4.0)
