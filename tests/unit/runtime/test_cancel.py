"""Cancelling and terminating by a client: once, whatever comes twice, and everybody who waits is told."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Struct

from actors import Actor, App, RunCancelled, RunFailed, RunTerminated, Workflow, command, query, task
from runtime import AlreadyFinished, CommandFailed, CommandInvalid, InstanceStuck, InstanceTerminated, NotFound
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker, every, nth
from tests.simulation.world import World, simulate

CANCELLED = ["RunStarted", "TimerSet", "CancelRequested", "TaskScheduled", "TaskCompleted", "RunCancelled"]


class Outside:
    """What the tasks did, and whether the code has its mistake."""

    released: int = 0
    mistaken = False


@task
async def release() -> str:
    Outside.released += 1
    return "released"


class Booking(Workflow):
    def __init__(self) -> None:
        self.heard = ""

    async def run(self) -> str:
        try:
            await asyncio.sleep(86_400)
        except asyncio.CancelledError as cancelled:
            if Outside.mistaken:
                raise ZeroDivisionError("in clean-up") from None
            self.heard = cancelled.args[0] if cancelled.args else ""
            await release()
            raise
        return "slept"

    @command
    async def wait(self) -> None:
        await self.until(lambda: False)

    @query
    def reason(self) -> str:
        return self.heard


class Quick(Workflow):
    async def run(self) -> str:
        return "done"


class Nothing(Struct):
    pass


class Thing(Actor):
    state: Nothing


APP = App(actors=[Booking, Quick, Thing], tasks=[release])


@pytest.fixture(autouse=True)
def _nothing_happened() -> None:
    Outside.released, Outside.mistaken = 0, False


async def _end(world: World, *, replayable: bool = True) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
    await world.stop_all()
    if replayable:
        audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def _status(world: World, stream: str) -> str:
    execution = world.store.log.streams[stream].execution
    assert execution is not None
    return execution.status


def test_a_cancelled_run_cleans_up_and_says_so() -> None:
    """Its clean-up may use workers; who waits for the result hears how it ended, and the listing has it."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Booking, "1")
            waiting = asyncio.ensure_future(client.result(Booking, "1"))
            command = asyncio.ensure_future(client.call(Booking, "1", "wait", command_id="w"))
            await world.until(lambda: "CommandReceived" in types_of(world.store, "Booking/1"))
            assert await client.cancel(Booking, "1", "changed my mind") is True
            with pytest.raises(RunCancelled, match="changed my mind"):
                await waiting
            with pytest.raises(CommandFailed) as failed:
                await command
            assert failed.value.type == "RunCancelled"
            assert await client.query(Booking, "1", "reason") == "changed my mind"
            with pytest.raises(RunFailed):  # which a cancellation is, to whom it is all one
                await client.result("Booking", "1")
        assert Outside.released == 1
        assert _status(world, "Booking/1") == "cancelled"
        await _end(world)

    simulate(story, APP)


@pytest.mark.parametrize("faults", ["none", "twice", "answers lost", "not done"])
def test_cancelled_once_whatever_comes_twice(faults: str) -> None:
    """The same request gives the same answer, another one is told that it was not the first."""
    broker = RepeatingBroker() if faults == "twice" else None
    fate = {"answers lost": Fate.ANSWER_LOST, "not done": Fate.NOT_DONE}.get(faults, Fate.GOOD)

    async def story(world: World) -> None:
        world.node(plan=every(2, fate, "commit"))
        world.worker()
        async with world.client() as client:
            await client.start(Booking, "1", timeout=200)
            assert await client.cancel(Booking, "1", command_id="a", timeout=200) is True
            assert await client.cancel(Booking, "1", command_id="a", timeout=200) is True
            with pytest.raises(RunCancelled):
                await client.result(Booking, "1", timeout=200)
            assert await client.cancel(Booking, "1", command_id="a", timeout=200) is True
            with pytest.raises(AlreadyFinished, match=r"has ended \(cancelled\)"):
                await client.cancel(Booking, "1", command_id="b", timeout=200)
        assert types_of(world.store, "Booking/1") == CANCELLED
        await _end(world)

    simulate(story, APP, broker=broker)


def test_a_second_request_leaves_clean_up_alone() -> None:
    """It is told that the run was asked before."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Booking, "1")
            assert await client.cancel(Booking, "1") is True
            assert await client.cancel(Booking, "1") is False
            world.worker()
            with pytest.raises(RunCancelled):
                await client.result(Booking, "1")
        assert types_of(world.store, "Booking/1") == CANCELLED
        await _end(world)

    simulate(story, APP)


def test_cancel_before_first_run() -> None:
    """The start and the request wait in one queue, for nobody hosts the instance yet: it starts, and is cancelled."""

    async def story(world: World) -> None:
        first = world.node()
        await world.served(first)
        await first.stop()  # its queues stay
        async with world.client() as client:
            start = asyncio.ensure_future(client.start(Booking, "1"))
            cancel = asyncio.ensure_future(client.cancel(Booking, "1"))
            await world.pass_time(1.0)
            world.node()
            world.worker()
            assert await start is True
            assert await cancel is True
            with pytest.raises(RunCancelled):
                await client.result(Booking, "1")
        assert types_of(world.store, "Booking/1") == CANCELLED
        await _end(world)

    simulate(story, APP)


def test_what_can_t_be_cancelled_is_said_clearly() -> None:
    """Finished, not there, or no workflow."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.execute(Quick, "1")
            for end in (client.cancel, client.terminate):
                with pytest.raises(AlreadyFinished, match=r"Quick/1 has ended \(completed\) and can't be"):
                    await end(Quick, "1")
                with pytest.raises(NotFound):
                    await end(Quick, "2")
                with pytest.raises(CommandInvalid, match="is an actor"):
                    await end(Thing, "x")
                with pytest.raises(CommandInvalid, match="command_id"):
                    await end(Quick, "1", command_id="\n")
        await _end(world)

    simulate(story, APP)


def test_terminate_tells_everybody_who_waits() -> None:
    """Those who wait for the result, for a command, and those who ask for that command again."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Booking, "1")
            waiting = asyncio.ensure_future(client.result(Booking, "1"))
            command = asyncio.ensure_future(client.call(Booking, "1", "wait", command_id="w"))
            await world.until(lambda: "CommandReceived" in types_of(world.store, "Booking/1"))
            began = world.elapsed
            assert await client.terminate(Booking, "1", "operator", command_id="t") is True
            assert await client.terminate(Booking, "1", command_id="t") is True
            assert await client.terminate(Booking, "1", command_id="u") is False
            with pytest.raises(RunTerminated, match="operator"):
                await waiting
            with pytest.raises(InstanceTerminated):
                await command
            assert world.elapsed - began < 2.0  # virtual seconds: they were told, and had no need to ask again
            with pytest.raises(InstanceTerminated):
                await client.call(Booking, "1", "wait", command_id="w")
            with pytest.raises(AlreadyFinished):
                await client.cancel(Booking, "1")
        assert types_of(world.store, "Booking/1")[-1] == "RunTerminated"
        assert (_status(world, "Booking/1"), Outside.released) == ("terminated", 0)
        await _end(world)

    simulate(story, APP)


@pytest.mark.parametrize("loaded", [True, False])
def test_a_stuck_run_keeps_the_request_and_can_be_terminated(loaded: bool) -> None:
    """Its mistake is in the clean-up itself: it is told of, and terminating needs no code."""
    Outside.mistaken = True

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Booking, "1")
            with pytest.raises(InstanceStuck, match="terminate it to end it now"):
                await client.cancel(Booking, "1", command_id="c")
            with pytest.raises(InstanceStuck):
                await client.cancel(Booking, "1", command_id="c")
            if not loaded:
                await node.stop()
                await world.served(world.node())
            assert await client.terminate(Booking, "1", "can't be mended") is True
            with pytest.raises(RunTerminated, match="can't be mended"):
                await client.result(Booking, "1")
            await world.pass_time(30.0)  # the next try to go on would be now
        assert types_of(world.store, "Booking/1")[2:] == ["CancelRequested", "Stuck", "RunTerminated"]
        assert _status(world, "Booking/1") == "terminated"
        await _end(world, replayable=False)

    simulate(story, APP)


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
def test_termination_survives_a_failing_commit(number: int, fate: Fate) -> None:
    """It is recorded once, and the answer comes."""

    async def story(world: World) -> None:
        world.node(plan=nth("commit", number, fate))
        async with world.client() as client:
            await client.start(Booking, "1", timeout=200)
            assert await client.terminate(Booking, "1", timeout=200) is True
        assert types_of(world.store, "Booking/1") == ["RunStarted", "TimerSet", "RunTerminated"]
        await _end(world)

    simulate(story, APP)


@pytest.mark.parametrize("step", range(2, 120, 3))
def test_a_node_may_die_between_any_two_steps_of_a_cancellation(step: int) -> None:
    """The next node goes on with the clean-up, and the answer is the same."""

    async def story(world: World) -> None:
        node = world.node(die_at=step)

        async def revive() -> None:
            await node.died.wait()
            world.node()

        revival = asyncio.ensure_future(revive())
        world.worker()
        async with world.client() as client:
            await client.start(Booking, "1", timeout=200)
            assert await client.cancel(Booking, "1", timeout=200) is True
            with pytest.raises(RunCancelled):
                await client.result(Booking, "1", timeout=200)
        assert types_of(world.store, "Booking/1") == CANCELLED
        await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
        await world.stop_all()
        audit_log(world.store, APP)
        revival.cancel()

    simulate(story, APP)
