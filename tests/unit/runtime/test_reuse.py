"""What a start does whose id has an instance that has ended: attach, refuse, or start it again, once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, Rejected, RunFailed, Workflow, command, query, task
from runtime import AlreadyFinished, CommandInvalid, Conflict, InstanceStuck
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import count_reads


@task(local=True)
async def step(number: int) -> int:
    return number


class Job(Workflow, timeout=500):
    def __init__(self) -> None:
        self.go: str | None = None

    async def run(self, number: int) -> str:
        await step(number)
        await self.until(lambda: self.go)
        if self.go == "fail":
            raise Rejected("as told")
        return f"{number}: {self.go}"

    @command
    def end(self, how: str) -> int:
        self.go = how
        return 1

    @query
    def ending(self) -> str | None:
        return self.go


class Parent(Workflow):
    async def run(self) -> str:
        result: str = await self.execute(Job, "child", 1)
        return result


APP = App(actors=[Job, Parent], tasks=[step])


async def finish(world: World) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
    await world.stop_all()
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def starts(world: World) -> int:
    return types_of(world.store, "Job/1").count("RunStarted")


@pytest.mark.parametrize("reuse", ["attach", "refuse", "restart"])
def test_duplicate_start_attaches(reuse: str) -> None:
    """While the instance runs, and when it is the same request; whatever is to be done with an ended one."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await client.start(Job, "1", 1, command_id="s", reuse=reuse) is True
            assert await client.start(Job, "1", 1, command_id="other", reuse=reuse) is False
            with pytest.raises(Conflict):
                await client.start(Job, "1", 2, reuse=reuse)
            await client.call(Job, "1", "end", "well")
            assert await client.start(Job, "1", 1, command_id="s", reuse=reuse) is True
            assert await client.execute(Job, "1", 1, command_id="s", reuse=reuse) == "1: well"
            assert await client.start(Job, "1", 1) is False
        assert starts(world) == 1
        await finish(world)

    simulate(story, APP)


def test_refuse() -> None:
    """The id is used up, for the same input, too; nothing is recorded."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.call(Job, "1", "end", "well")
            for number in (1, 2):
                with pytest.raises(AlreadyFinished):
                    await client.start(Job, "1", number, reuse="refuse")
            with pytest.raises(CommandInvalid, match="reuse must be one of"):
                await client.start(Job, "1", 1, reuse="always")
        assert starts(world) == 1
        await finish(world)

    simulate(story, APP)


@pytest.mark.parametrize("ending", ["well", "fail", "terminated", "timed out"])
def test_restart(ending: str) -> None:
    """A new run in the same stream, however the former one ended; numbers count on, and the status is that of now."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            if ending == "terminated":
                await client.terminate(Job, "1")
            elif ending == "timed out":
                await world.pass_time(510)
            else:
                await client.call(Job, "1", "end", ending, command_id="e1")
            await world.until(lambda: status(world) != "running")
            assert await client.start(Job, "1", 2, command_id="again", reuse="restart") is True
            assert status(world) == "running"
            node.die()
            world.node()
            assert await client.query(Job, "1", "ending", timeout=60) is None
            result = asyncio.ensure_future(client.result(Job, "1", timeout=60))
            await client.call(Job, "1", "end", "better", command_id="e2")
            assert await result == "2: better"
            if ending == "well":
                assert await client.call(Job, "1", "end", ending, command_id="e1") == 1, "the former run's command"
        assert status(world) == "completed"
        assert types_of(world.store, "Job/1").count("RunStarted") == 2
        await finish(world)

    simulate(story, APP)


def status(world: World) -> str:
    execution = world.store.log.streams["Job/1"].execution
    assert execution is not None
    return execution.status


def test_a_start_that_comes_again_later_starts_nothing() -> None:
    """Not the first one's, not a later one's, through other nodes; and nobody is given what another one's input came to."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            for number in range(4):
                assert await client.start(Job, "1", number, command_id=f"s{number}", reuse="restart") is True
                await client.call(Job, "1", "end", "well")
            for restarted in (False, True):
                if restarted:
                    node.die()
                    world.node()
                for number in range(3):
                    for ask in (client.start, client.execute):
                        with pytest.raises(Conflict):
                            await ask(Job, "1", number, command_id=f"s{number}", reuse="restart", timeout=60)
                assert await client.start(Job, "1", 3, command_id="s3", reuse="restart") is True
                assert await client.execute(Job, "1", 3, command_id="s3", reuse="restart") == "3: well"
                with pytest.raises(Conflict):
                    await client.start(Job, "1", 7, command_id="s1", reuse="restart")
        assert starts(world) == 4
        await finish(world)

    simulate(story, APP)


def test_many_restarts_at_once_start_it_once() -> None:
    """The others find an instance that runs."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.call(Job, "1", "end", "well")
            requests: list[Any] = [client.start(Job, "1", 2, reuse="restart") for _ in range(20)]
            assert sorted(await asyncio.gather(*requests)) == [False] * 19 + [True]
            await client.call(Job, "1", "end", "well")
        assert starts(world) == 2
        await finish(world)

    simulate(story, APP)


def test_a_node_that_does_not_know_the_type_starts_nothing_again() -> None:
    """It says so, and the same request is carried out where the code is."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.call(Job, "1", "end", "well")
            await node.stop()
            other = world.node(app=App(actors=[Parent]))
            with pytest.raises(InstanceStuck, match="Job"):
                await client.start(Job, "1", 2, command_id="s", reuse="restart", timeout=60)
            await other.stop()
            world.node()
            assert await client.start(Job, "1", 2, command_id="s", reuse="restart", timeout=60) is True
            await client.call(Job, "1", "end", "better")
            assert await client.result(Job, "1") == "2: better"
        assert starts(world) == 2
        await finish(world)

    simulate(story, APP)


def test_a_child_is_its_parent_s() -> None:
    """Its end was told, and may have to be told again: it is not started anew under its name."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Parent, "1")
            await world.until(lambda: "Job/child" in world.store.log.streams)
            await client.call(Job, "child", "end", "well")
            assert await client.result(Parent, "1") == "1: well"
            with pytest.raises(Conflict, match="is the child of Parent/1"):
                await client.start(Job, "child", 2, reuse="restart")
        await finish(world)

    simulate(story, APP)


@pytest.mark.parametrize("step", range(1, 60, 3))
def test_a_node_may_die_at_any_await_of_a_restart(step: int) -> None:
    """The restart is one commit, and said again it is the same."""

    async def story(world: World) -> None:
        node = world.node(die_at=step)
        revival = asyncio.ensure_future(_revive(world, node))
        async with world.client() as client:
            await client.start(Job, "1", 1, command_id="a", timeout=200)
            await client.call(Job, "1", "end", "fail", command_id="e", timeout=200)
            with pytest.raises(RunFailed):
                await client.result(Job, "1", timeout=200)
            result = asyncio.ensure_future(client.execute(Job, "1", 2, command_id="b", reuse="restart", timeout=200))
            await world.until(lambda: starts(world) == 2)
            await client.call(Job, "1", "end", "well", command_id="f", timeout=200)
            assert await result == "2: well"
        assert starts(world) == 2
        revival.cancel()
        await world.until(lambda: not any(p.dead and p.name in world.owners() for p in world.processes))
        await finish(world)

    simulate(story, APP)


async def _revive(world: World, node: Any) -> None:
    await node.died.wait()
    world.node()


def test_an_instance_that_was_restarted_is_loaded_from_its_last_run() -> None:
    """Former runs are not run again, whatever their code is by now."""

    class Other(Workflow, name="Job"):
        async def run(self, number: int) -> int:
            return await step(number) + await step(number)

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.call(Job, "1", "end", "well")
            node.die()
            world.node(app=App(actors=[Other], tasks=[step]))
            assert await client.execute("Job", "1", reuse="restart", timeout=60, input={"number": 4}) == 8
            assert read
        await world.stop_all()

    simulate(story, APP)
