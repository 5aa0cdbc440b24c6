"""Workers: what becomes of a task when its worker dies, stops, is slow, or says its outcome twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors import App, Workflow, task, task_context
from runtime import ConfigurationError, Worker
from runtime.messages import TaskMessage, TaskOutcome, encode_message
from runtime.routing import partition_of
from runtime.transport.memory import MemoryTransport
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, every
from tests.simulation.world import SETTINGS, World, simulate

BEGAN: list[str] = []
ENDED: list[str] = []


@task(timeout=100)
async def slow(seconds: float) -> str:
    BEGAN.append(task_context().key)
    await asyncio.sleep(seconds)
    ENDED.append(task_context().key)
    return task_context().key


@task(local=True, timeout=100)
async def slow_inside(seconds: float) -> str:
    BEGAN.append(task_context().key)
    await asyncio.sleep(seconds)
    ENDED.append(task_context().key)
    return task_context().key


class One(Workflow):
    async def run(self, seconds: float) -> str:
        return await slow(seconds)


class Many(Workflow):
    async def run(self, count: int, seconds: float) -> int:
        return len(await asyncio.gather(*(slow(seconds) for _ in range(count))))


class Inside(Workflow):
    async def run(self, seconds: float) -> str:
        return await slow_inside(seconds)


APP = App(actors=[One, Many, Inside], tasks=[slow, slow_inside])
WITHOUT_SLOW = App(actors=[One], tasks=[slow_inside, task(name="other")(slow.function)])


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    BEGAN.clear()
    ENDED.clear()


def _clean(world: World) -> None:
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def test_a_killed_worker_s_task_is_run_by_the_next() -> None:
    """Without waiting for the sweeper: the broker hands it out again."""

    async def story(world: World) -> None:
        world.node()
        worker = world.worker()
        async with world.client() as client:
            await client.start(One, "1", 5.0)
            await world.until(lambda: BEGAN)
            worker.die()
            world.worker()
            assert await client.result(One, "1", timeout=10) == "One/1#1"
        await world.stop_all()
        assert (len(BEGAN), len(ENDED)) == (2, 1)
        _clean(world)

    simulate(story, APP)


@pytest.mark.parametrize("inside", [False, True])
def test_an_orderly_stop_lets_running_tasks_end_or_hands_them_back(inside: bool) -> None:
    """Those that end within the grace do; the others run again elsewhere."""

    async def story(world: World) -> None:
        hosts = [world.node(), world.worker()]
        kind: Any = Inside if inside else One
        async with world.client() as client:
            await client.start(kind, "short", 2.0)
            await client.start(kind, "long", 60.0)
            await world.until(lambda: len(BEGAN) == 2)
            began = world.elapsed
            for host in reversed(hosts):
                await host.stop()
            assert world.elapsed - began <= 2 * world.settings.shutdown_grace + 1
            world.node()
            world.worker()
            assert await client.result(kind, "short", timeout=200) == f"{kind.__name__}/short#1"
            assert await client.result(kind, "long", timeout=200) == f"{kind.__name__}/long#1"
        await world.stop_all()
        _clean(world)

    simulate(story, APP)


def test_a_local_task_runs_again_when_its_node_died() -> None:
    """The new owner finds the instance busy and takes it up by itself."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Inside, "1", 5.0)
            await world.until(lambda: BEGAN)
        node.die()
        world.node()
        await world.until(lambda: types_of(world.store, "Inside/1")[-1] == "RunCompleted", seconds=20)
        await world.stop_all()
        assert (len(BEGAN), len(ENDED)) == (2, 1)
        _clean(world)

    simulate(story, APP)


def test_a_local_task_ends_although_its_node_lost_touch_with_the_leases_for_a_while() -> None:
    """Beats fail for longer than a lease while the task runs and while its instance is loaded."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Inside, "1", 5.0)
            await world.until(lambda: BEGAN)
            node.leases.plan = every(1, Fate.NOT_DONE, "beat")
            await world.pass_time(4)
            node.leases.plan = every(1, Fate.GOOD)
            assert await client.result(Inside, "1", timeout=60) == "Inside/1#1"
        await world.stop_all()
        _clean(world)

    simulate(story, APP)


def test_an_outcome_that_is_told_twice_is_recorded_once() -> None:
    """The first one wins; a late failure of an older attempt and an outcome nobody asked for change nothing."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(One, "1", 5.0)
            await world.until(lambda: world.broker.depth(Destination.TASKS, "default") == 1)
            key = str(partition_of("One/1", 2))
            for outcome in (
                TaskOutcome(type="One", id="1", task=9, attempt=1, result=_raw(b'"nobody asked"')),
                TaskOutcome(type="One", id="1", task=1, attempt=1, result=_raw(b'"first"')),
                TaskOutcome(type="One", id="1", task=1, attempt=1, result=_raw(b'"second"')),
                TaskOutcome(type="One", id="2", task=1, attempt=1, result=_raw(b'"no such instance"')),
            ):
                message = Message(Destination.COMMANDS, key, encode_message(outcome))
                await client._asker.publisher.publish(message)
            assert await client.result(One, "1", timeout=10) == "first"
            world.worker()
            await world.until(lambda: ENDED)
        await world.stop_all()
        assert types_of(world.store, "One/1").count("TaskCompleted") == 1
        assert "One/2" not in world.store.log.streams
        _clean(world)

    simulate(story, APP)


@pytest.mark.parametrize("partition", [77, -1, 10**300])
def test_a_task_message_that_names_a_partition_nobody_has_keeps_no_slot(partition: int) -> None:
    """Its outcome goes by way of the ingress, or it is put aside; a worker with one slot goes on."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            body = encode_message(
                TaskMessage(stream="One/1", partition=0, task=1, attempt=1, name="slow", input=_raw(b"[0]"))
            )
            wrong = body.replace(b'"partition":0', b'"partition":%d' % partition)
            await client._asker.publisher.publish(Message(Destination.TASKS, "default", wrong))
            worker = world.worker(task_concurrency=1)
            assert await client.execute(One, "2", 1.0, timeout=30) == "One/2#1"
            await world.until(lambda: not any(s._unacked for s in worker.transport._subscriptions))
        await world.stop_all()

    simulate(story, APP)


def test_a_worker_holds_no_more_tasks_than_it_runs() -> None:
    """The rest stays in the queue for others: that is the back pressure."""

    async def story(world: World) -> None:
        world.node()
        world.worker(task_concurrency=3)
        async with world.client() as client:
            await client.start(Many, "1", 10, 5.0)
            await world.until(lambda: len(BEGAN) == 3)
            await world.pass_time(3)
            assert len(BEGAN) == 3
            assert world.broker.depth(Destination.TASKS, "default") == 7
            world.worker(task_concurrency=7)
            await world.until(lambda: len(BEGAN) == 10, seconds=1)
            assert await client.result(Many, "1", timeout=30) == 10
        await world.stop_all()
        _clean(world)

    simulate(story, APP)


def test_a_worker_that_does_not_know_the_task_leaves_it_to_one_that_does() -> None:
    """During an upgrade old and new workers share a queue."""

    async def story(world: World) -> None:
        world.node()
        old = world.worker(app=WITHOUT_SLOW)
        async with world.client() as client:
            await client.start(One, "1", 1.0)
            await world.until(lambda: "TaskAttemptFailed" in types_of(world.store, "One/1"))
            world.worker()
            await old.stop()
            assert await client.result(One, "1", timeout=120) == "One/1#1"
        await world.stop_all()
        _clean(world)

    simulate(story, APP)


def test_what_is_no_task_is_dead_lettered_and_kept() -> None:
    """Somebody published nonsense into a task queue."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client._asker.publisher.publish(Message(Destination.TASKS, "default", b'{"no": "task"}'))
            await world.until(lambda: any(partition.quarantine for partition in world.store.log.partitions))
            assert await client.execute(One, "1", 1.0, timeout=10) == "One/1#1"
        await world.stop_all()

    simulate(story, APP)


def test_an_attempt_that_keeps_killing_its_workers_fails_its_task() -> None:
    """After twenty deliveries without an outcome."""

    async def story(world: World) -> int:
        killed = 0

        async def keep_a_worker_up() -> None:
            nonlocal killed
            while True:
                worker = world.worker()
                BEGAN.clear()
                await world.until(lambda: BEGAN)
                worker.die()
                killed += 1

        world.node()
        keeping = asyncio.ensure_future(keep_a_worker_up())
        async with world.client() as client:
            await client.start(One, "1", 30.0)
            await world.until(lambda: types_of(world.store, "One/1")[-1] == "RunFailed", seconds=100)
        keeping.cancel()
        await world.stop_all()
        return killed

    assert simulate(story, APP) == 20


def test_a_worker_for_a_queue_without_tasks_is_refused() -> None:
    """It would wait for ever."""
    from runtime.transport.memory import MemoryBroker

    with pytest.raises(ConfigurationError, match="nothing"):
        Worker(APP, MemoryTransport(MemoryBroker()), SETTINGS, ["nothing"])


def _raw(data: bytes) -> Any:
    from msgspec import Raw

    return Raw(data)
