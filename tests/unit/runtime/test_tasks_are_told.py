"""Tasks are told: a worker that runs what nobody waits for any more hears of it within bounded time, and cancels it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from actors import App, Retry, Workflow, command, task, task_context
from runtime.messages import decode_inbound
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Message
from runtime.unwanted import ASK_AFTER, ASK_EVERY
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, Plan, RepeatingBroker, all_good, every, nth
from tests.simulation.world import World, simulate

SOON = ASK_AFTER + 2 * ASK_EVERY  # one question may be lost on the way
BEGAN: list[str] = []
TOLD: list[str] = []
ENDED: list[str] = []


async def _long() -> None:
    key = task_context().key
    BEGAN.append(key)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        TOLD.append(key)
        raise
    ENDED.append(key)


@task(timeout=1000)
async def long() -> None:
    await _long()


@task(timeout=1000, local=True)
async def inside() -> None:
    await _long()


@task(timeout=1000, retry=Retry(first_delay=0.1))
async def stubborn() -> str:
    """Takes its time to clean up, and then has a result all the same."""
    BEGAN.append(task_context().key)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        TOLD.append(task_context().key)
        await asyncio.sleep(3)
    ENDED.append(task_context().key)
    return "after all"


@task(timeout=1000, retry=Retry(first_delay=0.1))
async def failing() -> None:
    BEGAN.append(task_context().key)
    try:
        await asyncio.sleep(600)
    except asyncio.CancelledError:
        TOLD.append(task_context().key)
        raise ConnectionError("while it cleaned up") from None


class Waiting(Workflow):
    def __init__(self) -> None:
        self.over = False

    async def run(self, what: str, patience: float) -> str:
        call: Any = {"long": long, "inside": inside, "stubborn": stubborn, "failing": failing}[what]
        try:
            async with asyncio.timeout(patience):
                await call()
        except TimeoutError:
            await self.until(lambda: self.over)
            return "did not wait"
        return "waited"

    @command
    def end(self) -> None:
        self.over = True


APP = App(actors=[Waiting], tasks=[long, inside, stubborn, failing])


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    for each in (BEGAN, TOLD, ENDED):
        each.clear()


async def _end(world: World) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions))
    await world.stop_all()
    audit_log(world.store, APP)
    if not any(process.dead for process in world.processes):
        audit_rest(world.store, world.broker, APP.task_queues)


class DeafBroker(MemoryBroker):
    """Loses some messages of one sort, although it confirms them."""

    def __init__(self, is_lost: Callable[[Message], bool], losses: int) -> None:
        super().__init__()
        self.is_lost, self.losses = is_lost, losses

    def put(self, message: Message) -> bool:
        if self.losses and self.is_lost(message):
            self.losses -= 1
            return True
        return super().put(message)


@pytest.mark.parametrize("end", ["timeout", "cancel", "terminate"])
def test_tasks_are_told(end: str) -> None:
    """By a timeout of the await, by the run's cancellation, by its termination; the message is acked, nothing is told back."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 30.0 if end == "timeout" else 3600.0)
            await world.until(lambda: BEGAN)
            await world.pass_time(29.0)
            assert TOLD == []
            if end == "cancel":
                await client.cancel(Waiting, "1")
            elif end == "terminate":
                await client.terminate(Waiting, "1")
            await world.until(lambda: TOLD, seconds=SOON)
            if end == "timeout":
                await client.call(Waiting, "1", "end")
        await _end(world)
        assert (BEGAN, TOLD, ENDED) == (["Waiting/1#2"], ["Waiting/1#2"], [])
        assert "TaskCompleted" not in types_of(world.store, "Waiting/1")

    simulate(story, APP, sweep_after=600.0)


def test_a_task_that_is_wanted_goes_on() -> None:
    """However often it is asked about, and although its actor is not in memory meanwhile."""

    async def story(world: World) -> None:
        node = world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 3600.0)
            await world.pass_time(300.0)
            assert node.node.activations == 0
            assert await client.result(Waiting, "1", timeout=400) == "waited"
        await _end(world)
        assert (TOLD, ENDED) == ([], ["Waiting/1#2"])

    simulate(story, APP, idle=2.0, within=900)


@pytest.mark.parametrize(
    ("broker", "plan"),
    [
        (DeafBroker(lambda m: b'"op":"wanted"' in m.body, 3), all_good),
        (DeafBroker(lambda m: b'"wanted":' in m.body, 3), all_good),
        (RepeatingBroker(), all_good),
        (None, every(3, Fate.ANSWER_LOST, "publish")),
        (None, nth("outbox_holds", 1, Fate.NOT_DONE)),
        (None, nth("outbox_holds", 1, Fate.ANSWER_LOST)),
    ],
    ids=["question lost", "answer lost", "twice", "confirms lost", "store fails", "store's answer lost"],
)
def test_a_lost_question_or_answer_is_asked_again(broker: MemoryBroker | None, plan: Plan) -> None:
    """Nothing depends on one message."""

    async def story(world: World) -> None:
        world.node(plan=plan)
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 20.0)
            await world.until(lambda: TOLD, seconds=20 + 3 * SOON)
            await client.call(Waiting, "1", "end", timeout=100)
        await _end(world)

    simulate(story, APP, broker=broker)


@pytest.mark.parametrize("step", range(5, 140, 5))
def test_the_next_node_tells_when_one_died(step: int) -> None:
    """The row is the answer, whoever reads it."""

    async def story(world: World) -> None:
        node = world.node(die_at=step)

        async def revive() -> None:
            await node.died.wait()
            world.node()

        revival = asyncio.ensure_future(revive())
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 8.0, timeout=100)
            await world.until(lambda: TOLD, seconds=20 + 3 * SOON)
            await client.call(Waiting, "1", "end", timeout=100)
        await _end(world)
        revival.cancel()

    simulate(story, APP)


@pytest.mark.parametrize("what", ["stubborn", "failing"])
def test_clean_up_of_a_task_may_take_its_time_and_its_outcome_is_recorded_only(what: str) -> None:
    """A result as the late one that it is; a failure without another attempt."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", what, 10.0)
            await world.until(lambda: TOLD, seconds=60)
            end = "TaskCompleted" if what == "stubborn" else "TaskFailed"
            await world.until(lambda: end in types_of(world.store, "Waiting/1"))
            await world.pass_time(10)
            await client.call(Waiting, "1", "end")
            assert await client.result(Waiting, "1") == "did not wait"
        await _end(world)
        assert len(BEGAN) == 1

    simulate(story, APP)


def test_a_local_task_is_cancelled_at_once() -> None:
    """As soon as the turn is durable that stopped waiting; and it does not run again."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Waiting, "1", "inside", 10.0)
            await world.until(lambda: TOLD, seconds=10.5)
            await world.until(lambda: node.node.activations == 0, what="passivated")
            await client.call(Waiting, "1", "end")
        await _end(world)
        assert BEGAN == TOLD == ["Waiting/1#2"]

    simulate(story, APP, idle=2.0)


def test_a_worker_stops_while_it_asks() -> None:
    """In order, with a task that is not wanted and one that is."""

    async def story(world: World) -> None:
        node = world.node()
        worker = world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 20.0)
            await client.start(Waiting, "2", "long", 3600.0)
            await world.until(lambda: len(BEGAN) == 2)
            await node.stop()
            await world.pass_time(ASK_AFTER + 2)
            await worker.stop()
            world.node()
            world.worker()
            assert await client.result(Waiting, "2", timeout=800) == "waited"
            await client.call(Waiting, "1", "end")
        await _end(world)

    simulate(story, APP, within=1200.0)


def test_short_tasks_are_not_asked_about() -> None:
    """The common task costs no message more."""
    seen: list[bytes] = []

    class Listening(MemoryBroker):
        def put(self, message: Message) -> bool:
            if message.body.startswith(b'{"op":"wanted"'):
                seen.append(message.body)
            return super().put(message)

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Waiting, "1", "long", 3600.0)
            await world.pass_time(ASK_AFTER - 1)
            assert seen == []
            await world.pass_time(ASK_EVERY)
            assert len(seen) == 1
            assert decode_inbound(seen[0]).stream == "Waiting/1"
            assert await client.result(Waiting, "1", timeout=700) == "waited"
        await _end(world)

    simulate(story, APP, broker=Listening(), within=900)
