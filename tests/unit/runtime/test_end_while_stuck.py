"""A run whose mended code ends at once, with commands that came while it was stuck: they are handled first."""

from __future__ import annotations

import asyncio

import pytest

from actors import App, Workflow, command
from runtime import InstanceStuck
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate


class Code:
    """Whether the code is wrong."""

    wrong = False


class Job(Workflow):
    def __init__(self) -> None:
        self.begun = False

    async def run(self, round: int = 1) -> str:
        await self.until(lambda: self.begun)
        if Code.wrong:
            raise ZeroDivisionError
        if round > 1:
            return "done"
        return self._leave()

    def _leave(self) -> str:
        return "done"

    @command
    def begin(self) -> None:
        self.begun = True

    @command
    async def help(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "helped"


class Round(Job):
    """Starts over."""

    def _leave(self) -> str:
        self.continue_as_new(2)


APP = App(actors=[Job, Round])


@pytest.mark.parametrize("kind", [Job, Round])
@pytest.mark.parametrize("seconds", [0, 3])
@pytest.mark.parametrize("dies", [False, True], ids=["", "dies"])
def test_commands_that_came_while_it_was_stuck_are_handled_before_the_end(
    kind: type[Workflow], seconds: float, dies: bool
) -> None:
    """The end stands behind them in the journal, and they have answers of their own; also when the node dies once more.

    Where the run starts over, they are the next run's.
    """
    Code.wrong = True
    name = f"{kind.type_name}/1"

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(kind, "1")
            with pytest.raises(InstanceStuck):
                await client.call(kind, "1", "begin", command_id="begin")
            with pytest.raises(InstanceStuck):
                await client.call(kind, "1", "help", seconds, command_id="help")
            Code.wrong = False
            await world.until(lambda: "Resumed" in types_of(world.store, name))
            if dies:
                node.die()
                world.node()
            helped = asyncio.ensure_future(client.call(kind, "1", "help", seconds, command_id="help", timeout=60))
            if kind is Round:
                await world.until(lambda: "RunContinued" in types_of(world.store, name))
                await client.call(kind, "1", "begin", command_id="begin again")
            assert await client.result(kind, "1", timeout=60) == "done"
            assert await helped == "helped"
        await (world.processes[-1].stop() if dies else world.stop_all())
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)
        types = types_of(world.store, name)
        assert types.count("CommandCompleted") == types.count("CommandReceived")
        assert types[-1] == "RunCompleted"

    simulate(story, APP)
