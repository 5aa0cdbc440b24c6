"""An instance that was ended while it was stuck, and is started again with mended code: the former run wants nothing more."""

from __future__ import annotations

import pytest

from actors import App, Workflow, task
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate


class Code:
    """Whether the code is wrong, and what was done."""

    wrong = False
    done: list[int] = []


@task
async def work(run: int) -> None:
    Code.done.append(run)


class Job(Workflow):
    async def run(self, run: int) -> int:
        if Code.wrong:
            raise ZeroDivisionError
        await work(run)
        return run


APP = App(actors=[Job], tasks=[work])


@pytest.mark.parametrize("dies", [False, True], ids=["", "dies"])
def test_a_run_that_follows_a_stuck_one_does_nothing_of_it(dies: bool) -> None:
    """Neither is what the former one wanted done, nor does it stand in the journal; also when the node dies before."""
    Code.wrong, Code.done = True, []

    async def story(world: World) -> None:
        node = world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await world.until(lambda: "Stuck" in types_of(world.store, "Job/1"))
            await client.terminate(Job, "1", "by hand")
            Code.wrong = False
            if dies:
                node.die()
                world.node()
            assert await client.start(Job, "1", 2, command_id="again", reuse="restart", timeout=60)
            assert await client.result(Job, "1", timeout=60) == 2
        await (world.stop_all() if not dies else world.processes[-1].stop())
        audit_log(world.store, APP)
        assert Code.done == [2]
        assert types_of(world.store, "Job/1") == [
            "RunStarted", "Stuck", "RunTerminated", "RunStarted", "TaskScheduled", "TaskCompleted", "RunCompleted",
        ]  # fmt: skip

    simulate(story, APP)
