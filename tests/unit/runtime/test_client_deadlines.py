"""Many deadlines behind one timer; ids without a UUID each."""

from __future__ import annotations

import asyncio

from runtime.client.command_ids import command_ids
from runtime.client.deadlines import Deadlines
from runtime.clock import monotonic
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK


class Bell:
    """Notes when it was rung."""

    def __init__(self) -> None:
        self.over = False
        self.rung: list[float] = []

    def due(self, when: float) -> None:
        self.rung.append(monotonic() - when)


def test_each_is_told_at_its_own_time() -> None:
    """Whatever the order in which they came; one that is over is not told."""

    async def story(world: World) -> None:
        deadlines, bells = Deadlines(), [Bell() for _ in range(6)]
        start = monotonic()
        for bell, seconds in zip(bells, (5.0, 1.0, 3.0, 1.0, 0.0, 4.0), strict=True):
            deadlines.watch(bell, start + seconds)
        bells[2].over = True
        await world.pass_time(3.5)
        assert [len(bell.rung) for bell in bells] == [0, 1, 0, 1, 1, 0]
        deadlines.watch(bells[1], start + 4.5)
        await world.pass_time(10)
        assert [len(bell.rung) for bell in bells] == [1, 2, 0, 1, 1, 1]
        assert all(0 <= late < 0.1 for bell in bells for late in bell.rung)

    simulate(story, BANK)


def test_those_that_are_over_cost_no_timer() -> None:
    """A thousand answered questions are forgotten when the first is looked at."""

    async def story(world: World) -> None:
        deadlines = Deadlines()
        bells = [Bell() for _ in range(1000)]
        for number, bell in enumerate(bells):
            deadlines.watch(bell, monotonic() + 1 + number / 1000)
            bell.over = True
        await world.pass_time(1.1)
        assert deadlines._heap == []
        assert deadlines._timer is None

    simulate(story, BANK)


async def test_closing_forgets_all() -> None:
    """And closing twice does nothing."""
    deadlines, bell = Deadlines(), Bell()
    deadlines.watch(bell, monotonic())
    deadlines.close()
    deadlines.close()
    await asyncio.sleep(0)
    assert bell.rung == []


def test_ids_are_unique_across_clients() -> None:
    """Each client draws its own prefix and counts on."""
    sources = [command_ids() for _ in range(20)]
    made = [source() for source in sources for _ in range(100)]
    assert len(set(made)) == len(made)
    assert all(len(id) == 32 and id.isalnum() for id in made)
