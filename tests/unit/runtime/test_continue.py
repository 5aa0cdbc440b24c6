"""Workflows that start over, in a node: what it reads again, which commands it remembers, who goes on waiting."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, Rejected, RunFailed, Workflow, command, query, task, validator
from eventstore import Snapshot
from runtime import CommandFailed, Conflict
from runtime.hosting.former_runs import EVERY
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import count_reads


@task(local=True)
async def step(number: int) -> int:
    return number


@task
async def work(number: int) -> int:
    return number


class Steps(Workflow):
    """So many runs of one step."""

    async def run(self, runs: int, run: int = 1) -> int:
        await step(run)
        return run if run == runs else self.continue_as_new(runs, run + 1)


class Counter(Workflow):
    """Starts over after each `most` commands, and hands on what it has counted."""

    def __init__(self) -> None:
        self.new: list[int] = []
        self.before = 0

    async def run(self, most: int, total: int = 0) -> int:
        self.before = total
        await self.until(lambda: len(self.new) >= most or 0 in self.new)
        total += sum(self.new)
        return total if 0 in self.new else self.continue_as_new(most, total)

    @command
    def add(self, n: int) -> int:
        self.new.append(n)
        return self.before + sum(self.new)

    @command
    async def add_slowly(self, n: int) -> int:
        done = await work(n)
        self.new.append(done)
        return self.before + sum(self.new)

    @command(carry_over=True)
    async def wait_for(self, n: int) -> int:
        await self.until(lambda: self.before + sum(self.new) >= n)
        return self.before + sum(self.new)

    @query
    def total(self) -> int:
        return self.before + sum(self.new)


class Parent(Workflow):
    async def run(self) -> int:
        result: int = await self.execute(Steps, f"of-{self.id}", 3)
        return result


APP = App(actors=[Steps, Counter, Parent], tasks=[step, work])


async def finish(world: World) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
    await world.stop_all()
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def test_who_waits_for_the_result_waits_for_the_last_run_s() -> None:
    """A client, a client that asks later, and a parent workflow."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await client.execute(Steps, "1", 5) == 5
            assert await client.start(Steps, "1", 5) is False
            assert await client.result(Steps, "1") == 5
            assert await client.execute(Parent, "1") == 3
        assert types_of(world.store, "Steps/1").count("RunContinued") == 4
        await finish(world)

    simulate(story, APP)


def test_a_thousand_runs_are_loaded_like_one() -> None:
    """What is read is the last snapshot and what came after; without any, all events, and the same answers."""

    async def story(world: World) -> None:
        node = world.node()
        read = count_reads(world.store)
        async with world.client() as client:
            await client.start(Counter, "1", 2)
            for number in range(2000):
                await client.call(Counter, "1", "add", 1, command_id=f"c{number}")
            stream = world.store.log.streams["Counter/1"]
            assert types_of(world.store, "Counter/1").count("RunContinued") == 1000
            for kept in (True, False):
                node.die()
                if not kept:
                    await world.store.delete_snapshots("Counter/1")
                node = world.node()
                read.clear()
                assert await client.query(Counter, "1", "total", timeout=60) == 2000
                ((_, version, events),) = read
                assert version + events == len(stream.events)
                assert (events <= 2 * EVERY) is kept
                assert await client.call(Counter, "1", "add", 1, command_id="c7", timeout=60) == 8
            assert await client.call(Counter, "1", "add", 0) == 2000
            assert await client.result(Counter, "1") == 2000
        await finish(world)

    simulate(story, APP)


@pytest.mark.parametrize("passivated", [False, True])
def test_a_command_that_a_former_run_has_handled_counts_once(passivated: bool) -> None:
    """It gets the first answer, at once or late; another input under its id is a conflict."""

    async def story(world: World) -> None:
        world.node()
        world.worker()

        async def rest() -> None:
            if passivated:
                await world.pass_time(10)

        async with world.client() as client:
            await client.start(Counter, "1", 2)
            first = [await client.call(Counter, "1", "add", n, command_id=f"a{n}") for n in (1, 2, 3)]
            slow = [await client.call(Counter, "1", "add_slowly", n, command_id=f"s{n}") for n in (4, 5, 6)]
            assert [*first, *slow] == [1, 3, 6, 10, 15, 21]
            before = len(world.store.log.streams["Counter/1"].events)
            for n in (1, 2, 3):
                await rest()
                assert await client.call(Counter, "1", "add", n, command_id=f"a{n}", timeout=60) == first[n - 1]
            for n in (4, 5, 6):
                await rest()
                assert await client.call(Counter, "1", "add_slowly", n, command_id=f"s{n}") == slow[n - 4]
                with pytest.raises(Conflict):
                    await client.call(Counter, "1", "add_slowly", n + 1, command_id=f"s{n}")
            assert len(world.store.log.streams["Counter/1"].events) == before
            assert await client.call(Counter, "1", "add", 0) == 21
            assert await client.call(Counter, "1", "add", 1, command_id="a1") == 1, "of a finished instance, too"
        await finish(world)

    simulate(story, APP, idle=3.0)


def test_a_repetition_is_answered_where_a_new_command_would_be_refused() -> None:
    """By a validator that would not have it any more, or in the moment after the end."""

    class Once(Workflow):
        async def run(self, run: int = 1) -> int:
            self.run_number = run
            self.taken = False
            await self.until(lambda: self.taken)
            return self.continue_as_new(run + 1)

        @command
        def take(self) -> int:
            self.taken = True
            return self.run_number

        @validator(take)
        def only_in_the_first_run(self) -> None:
            if self.run_number > 1:
                raise Rejected("taken")

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Once, "1")
            assert await client.call(Once, "1", "take", command_id="a") == 1
            assert await client.call(Once, "1", "take", command_id="a") == 1
            with pytest.raises(CommandFailed):
                await client.call(Once, "1", "take", command_id="b")
        await world.stop_all()

    simulate(story, App(actors=[Once]))


def test_commands_that_are_carried_over_are_answered_once() -> None:
    """Their callers go on waiting, through other runs and another node; said again, they attach."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Counter, "1", 2)
            waiting = [
                asyncio.ensure_future(client.call(Counter, "1", "wait_for", n, command_id=f"w{n}", timeout=300))
                for n in (2, 5, 9)
            ]
            for number in range(5):
                await client.call(Counter, "1", "add", 1)
                if number == 3:
                    node.die()
                    node = world.node()
            assert await asyncio.gather(*waiting[:2]) == [2, 5]
            assert await client.call(Counter, "1", "wait_for", 2, command_id="w2") == 2
            again = asyncio.ensure_future(client.call(Counter, "1", "wait_for", 9, command_id="w9", timeout=300))
            await client.call(Counter, "1", "add", 4)
            assert await again == await waiting[2] == 9
            await client.call(Counter, "1", "add", 0)
        types = types_of(world.store, "Counter/1")
        assert types.count("CommandReceived") == types.count("CommandCompleted") == 10
        await finish(world)

    simulate(story, APP)


def test_a_snapshot_that_is_of_no_use_is_passed_over() -> None:
    """Damaged, of something else, or of another version: the events have it all."""
    broken = [Snapshot(5, b"{"), Snapshot(5, b"{}", 1, "run"), Snapshot(5, b"{}", 9, "run")]

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Counter, "1", 2)
            for _ in range(5):
                await client.call(Counter, "1", "add", 1)
            for snapshot in broken:
                node.die()
                world.store.log.keep_snapshot("Counter/1", snapshot)
                node = world.node()
                assert await client.query(Counter, "1", "total", timeout=60) == 5
            await client.call(Counter, "1", "add", 0)
        await finish(world)

    simulate(story, APP)


class Left(Workflow):
    """Its first run leaves a task of each sort behind."""

    async def run(self, run: int = 1) -> int:
        if run == 1:
            self.left = [asyncio.create_task(each) for each in (work(1), forever(), asyncio.sleep(3600))]
            await asyncio.sleep(5)
            self.continue_as_new(2)
        return await step(7)


ENDED: list[str] = []


@task(local=True, timeout=10_000)
async def forever() -> int:
    try:
        await asyncio.Event().wait()
    finally:
        ENDED.append("forever")
    return 0


def test_what_a_run_leaves_behind_is_cleared_away() -> None:
    """No row of it stays, and what ran for it inside the node is stopped."""
    app = App(actors=[Left], tasks=[work, step, forever])

    async def story(world: World) -> None:
        world.node()
        ENDED.clear()
        async with world.client() as client:
            assert await client.execute(Left, "1") == 7
        assert ENDED == ["forever"]
        await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
        world.worker(app=app)  # the task that nobody has taken is nobody's any more
        await world.pass_time(5)
        await world.stop_all()
        audit_log(world.store, app)
        assert types_of(world.store, "Left/1")[-4:] == ["TimerFired", "RunContinued", "TaskCompleted", "RunCompleted"]

    simulate(story, app)


class FailingLate(Workflow):
    async def run(self, run: int = 1) -> int:
        await step(run)
        if run == 3:
            raise Rejected("not the third")
        return self.continue_as_new(run + 1)


def test_a_failure_of_the_last_run_is_the_instance_s() -> None:
    """Its caller hears of it."""

    async def story(world: World) -> Any:
        world.node()
        async with world.client() as client:
            with pytest.raises(RunFailed, match="not the third"):
                await client.execute(FailingLate, "1")
        await world.stop_all()

    simulate(story, App(actors=[FailingLate], tasks=[step]))
