"""A map over many items in a node, with workers: each item has its own key, retries and outcome, whatever dies."""

from __future__ import annotations

from collections import Counter

from actors import App, Retry, Workflow, task, task_context
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate

RUNS: Counter[str] = Counter()


@task(retry=Retry(first_delay=0.1, jitter=0))
async def square(n: int) -> int:
    RUNS[task_context().key] += 1
    if n % 100 == 7 and task_context().attempt < 3:
        raise ConnectionError("again")
    return n * n


class Squares(Workflow):
    async def run(self, count: int, at_most: int | None = None) -> int:
        return sum(await self.map(square, range(count), at_most=at_most))


APP = App(actors=[Squares], tasks=[square])


def squares(count: int) -> int:
    return sum(n * n for n in range(count))


def _story(count: int, at_most: int | None, die_at: int | None) -> None:
    async def story(world: World) -> None:
        RUNS.clear()
        node = world.node(die_at=die_at)
        world.worker()
        async with world.client() as client:
            await client.start(Squares, "1", count, at_most)
            if die_at is None:
                await world.until(lambda: "TaskCompleted" in types_of(world.store, "Squares/1"))
                node.die()
            else:
                await node.died.wait()
            world.node()
            assert await client.result(Squares, "1", timeout=500) == squares(count)
        assert set(RUNS) == {f"Squares/1#{n}" for n in range(1, count + 1)}
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions), seconds=200)
        types = Counter(types_of(world.store, "Squares/1"))
        assert types["TaskCompleted"] == count
        assert types["TasksScheduled"] == -(-(at_most or count) // 1000)
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)

    simulate(story, APP)


def test_two_thousand_items_and_a_node_that_dies() -> None:
    """All at once; each outcome is recorded once."""
    _story(2000, None, None)


def test_a_bounded_map_and_a_node_that_dies() -> None:
    """Its successor schedules what is left."""
    _story(300, 20, None)
