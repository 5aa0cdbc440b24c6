"""A retry happens when its policy says, whatever became of the messages and commits around it."""

from __future__ import annotations

import pytest

from actors import App, Retry, Workflow, task, task_context
from runtime.consuming import STORE_PAUSE
from tests.simulation.faults import Fate, every, nth
from tests.simulation.world import World, simulate


@task(retry=Retry(max_attempts=3, first_delay=0.3, jitter=0))
async def second_time_lucky() -> int:
    if task_context().attempt == 1:
        raise ConnectionError("not yet")
    return task_context().attempt


class Trying(Workflow):
    async def run(self) -> int:
        return await second_time_lucky()


APP = App(actors=[Trying], tasks=[second_time_lucky])


async def _run(world: World) -> float:
    world.worker()
    async with world.client() as client:
        assert await client.execute(Trying, "1", timeout=300) == 2
    took = world.elapsed
    await world.stop_all()
    return took


def test_a_retry_replaces_the_plan_to_publish_the_attempt_before_it_again() -> None:
    """The first attempt's message was not confirmed, so it is planned again; its failure plans the second sooner."""

    async def story(world: World) -> float:
        world.node(plan=nth("publish", 1, Fate.ANSWER_LOST))
        return await _run(world)

    assert simulate(story, APP) < 2


@pytest.mark.parametrize("commit", [2, 3])
def test_a_retry_whose_commit_lost_its_answer_is_found_by_the_next_sweep(commit: int) -> None:
    """What memory knew of the task is out of date then, and must not be written over the row that knows better."""

    async def story(world: World) -> float:
        world.node(plan=nth("commit", commit, Fate.ANSWER_LOST))
        return await _run(world)

    assert simulate(story, APP) < 5


def test_a_store_that_does_not_write_is_not_stormed() -> None:
    """In a minute's outage a node asks a bounded number of times, and hands in a bounded number of commits."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Trying, "1")
            asked: list[int] = []
            inner = node.store.plan

            def count(method: str) -> Fate:
                if method == "commit":
                    asked.append(len(node.node._services.committer._pending))
                    return Fate.NOT_DONE
                return inner(method)

            node.store.plan = count
            world.worker()
            await world.pass_time(60)
            node.store.plan = every(10**9, Fate.GOOD)
            assert 5 < len(asked) < 60 / (STORE_PAUSE / 2) + 10  # the first ones come quicker
            assert max(asked) < 5
            assert await client.result(Trying, "1", timeout=120) == 2
        await world.stop_all()

    simulate(story, APP)
