"""Children that are not wanted any more hear of it, wherever they live and whatever is lost, repeated or killed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from actors import App, ChildCancelled, ChildTerminated, RunFailed, RunTerminated, Workflow, command, query, task
from actors.journal import Caller, Stop
from runtime.messages import Start, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker, every
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_children import LossyBroker

LEAVES = ["Leaf/1", "Leaf/2"]


@task
async def tidy() -> None:
    return None


class Leaf(Workflow):
    def __init__(self) -> None:
        self.ran = False

    async def run(self) -> str:
        self.ran = True
        try:
            await asyncio.sleep(86_400)
        except asyncio.CancelledError:
            await tidy()
            raise
        return "slept"

    @query
    def has_run(self) -> bool:
        return self.ran


class Branch(Workflow):
    async def run(self, on_close: Any = "cancel") -> Any:
        return await asyncio.gather(*(self.execute(Leaf, f"{n}", on_close=on_close) for n in (1, 2)))


class Root(Workflow):
    def __init__(self) -> None:
        self.child: Any = None

    async def run(self, on_close: Any = "cancel", leaves: Any = "cancel") -> Any:
        self.child = self.start_child(Branch, "1", leaves, on_close=on_close)
        return await self.child

    @command
    async def stop(self, reason: str) -> str:
        self.child.cancel(reason)
        try:
            return str(await self.child)
        except ChildCancelled as end:
            return end.message


class Hasty(Workflow):
    """Starts a child and is gone."""

    async def run(self, on_close: Any) -> str:
        self.start_child(Leaf, "1", on_close=on_close)
        return "gone"


APP = App(actors=[Leaf, Branch, Root, Hasty], tasks=[tidy])


async def _end(world: World) -> None:
    await world.until(lambda: all(not p.outbox and not p.timers for p in world.store.log.partitions), seconds=300)
    await world.stop_all()
    audit_log(world.store, APP)
    if not any(process.dead for process in world.processes):
        audit_rest(world.store, world.broker, APP.task_queues)


def _status(world: World, stream: str) -> str | None:
    found = world.store.log.streams.get(stream)
    return None if found is None or found.execution is None else found.execution.status


async def _grown(world: World) -> None:
    await world.until(lambda: all(_status(world, leaf) == "running" for leaf in LEAVES), seconds=300, what="the tree")


async def _fallen(world: World, **statuses: str) -> None:
    wanted = {"Branch/1": statuses["branch"]} | dict.fromkeys(LEAVES, statuses["leaves"])

    def told() -> bool:
        return all(_status(world, stream) == status for stream, status in wanted.items())

    await world.until(told, seconds=300, what=f"{wanted}, {[_status(world, stream) for stream in wanted]}")


@pytest.mark.parametrize("faults", ["none", "twice", "answers lost", "not done", "publishes"])
def test_kill_reaches_the_whole_tree(faults: str) -> None:
    """Terminating with `tree` ends children and theirs without their code; each is ended once."""
    broker = RepeatingBroker() if faults == "twice" else None
    fate = {"answers lost": Fate.ANSWER_LOST, "not done": Fate.NOT_DONE}.get(faults, Fate.GOOD)
    plan = every(2, Fate.ANSWER_LOST, "publish") if faults == "publishes" else every(2, fate, "commit")

    async def story(world: World) -> None:
        world.node(plan=plan)
        world.worker()
        async with world.client() as client:
            await client.start(Root, "1", timeout=200)
            await _grown(world)
            await client.terminate(Root, "1", "all of it", tree=True, timeout=200)
            await _fallen(world, branch="terminated", leaves="terminated")
            with pytest.raises(RunTerminated, match="its parent has ended"):
                await client.result(Leaf, "1", timeout=200)
        assert types_of(world.store, "Leaf/1") == ["RunStarted", "TimerSet", "RunTerminated"]
        await _end(world)

    simulate(story, APP, broker=broker, sweep_after=6.0)


@pytest.mark.parametrize(
    ("on_close", "leaves", "branch", "leaf"),
    [
        ("cancel", "cancel", "cancelled", "cancelled"),
        ("terminate", "cancel", "terminated", "cancelled"),
        ("cancel", "terminate", "cancelled", "terminated"),  # cancelled waiting asks, and the end that follows orders
        ("abandon", "cancel", "running", "running"),
        ("cancel", "abandon", "cancelled", "running"),
    ],
)
def test_each_end_follows_its_policy(on_close: str, leaves: str, branch: str, leaf: str) -> None:
    """A cancelled parent, and below it what each level was started with."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Root, "1", on_close, leaves)
            await _grown(world)
            await client.cancel(Root, "1")
            await world.until(lambda: _status(world, "Root/1") == "cancelled")
            await world.pass_time(30.0)
            ends = {_status(world, stream) for stream in LEAVES}
            assert (_status(world, "Branch/1"), ends) == (branch, {leaf})
            for stream in ("Branch/1", *LEAVES):
                if _status(world, stream) == "running":
                    type_, id_ = stream.split("/")
                    await client.terminate(type_, id_)
        await _end(world)

    simulate(story, APP)


def test_a_parent_cancels_a_child_and_waits_for_its_clean_up() -> None:
    """By its handle, from a command; the parent hears of it as a failure with the reason."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Root, "1")
            await _grown(world)
            answer = await client.call(Root, "1", "stop", "too dear", timeout=100)
            assert answer == "child Branch/1 failed: ChildCancelled: the run was cancelled: too dear"
            with pytest.raises(RunFailed) as failed:
                await client.result(Root, "1")
            assert failed.value.type == "ChildCancelled"
            await _fallen(world, branch="cancelled", leaves="cancelled")
        await _end(world)

    simulate(story, APP)


def test_child_failure_and_child_terminated_reach_the_parent() -> None:
    """By somebody else's hand, two levels down; what happened is named on each."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Root, "1")
            await _grown(world)
            await client.terminate(Leaf, "1", "broken for good")
            with pytest.raises(RunFailed) as failed:
                await client.result(Root, "1")
            assert (failed.value.type, "broken for good" in failed.value.message) == (ChildTerminated.__name__, True)
            await world.until(lambda: _status(world, "Leaf/2") == "cancelled")  # its parent has ended
        await _end(world)

    simulate(story, APP)


@pytest.mark.parametrize("words", [b'"stop":', b'"op":"child_outcome"', b'"caller":'])
def test_a_lost_request_is_said_again(words: bytes) -> None:
    """The row says it until the child's end is told; also one that was lost with the start before it."""
    broker = LossyBroker(words, losses=3)

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Hasty, "1", "cancel")
            assert await client.result(Hasty, "1") == "gone"
            await world.until(lambda: _status(world, "Leaf/1") == "cancelled", seconds=300)
            assert await client.query(Leaf, "1", "has_run") is False
        await _end(world)
        assert types_of(world.store, "Leaf/1") == ["RunStarted", "RunCancelled"]

    simulate(story, APP, broker=broker, sweep_after=6.0)


def test_an_abandoned_child_of_a_hasty_parent_runs() -> None:
    """It is started although its parent has ended in the same turn."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Hasty, "1", "abandon")
            await world.until(lambda: _status(world, "Leaf/1") == "running")
            await client.cancel(Leaf, "1")
            await world.until(lambda: _status(world, "Leaf/1") == "cancelled")
        await _end(world)

    simulate(story, APP)


def test_starts_and_stops_in_any_order_count_once() -> None:
    """A start that comes after its stop finds a child that has ended; a stop of somebody else's is a conflict."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:

            async def publish(stop: Stop | None, caller: Caller) -> None:
                start = Start(type="Leaf", id="9", input=Raw(b"{}"), command_id=caller.key, caller=caller, stop=stop)
                key = str(partition_of(start.stream, 2))
                message = Message(Destination.COMMANDS, key, encode_message(start))
                await client._asker.publisher.publish(message)

            parent, thief = Caller("Root/none", 1), Caller("Root/thief", 1)
            await client.start(Leaf, "8")
            for caller, stop in (
                (parent, Stop("cancel")), (parent, None), (parent, Stop("terminate")), (thief, Stop("terminate")),
            ):  # fmt: skip
                await publish(stop, caller)
            await world.until(lambda: _status(world, "Leaf/9") == "cancelled")
            await world.pass_time(5)
            assert types_of(world.store, "Leaf/9") == ["RunStarted", "RunCancelled"]
            await client.terminate(Leaf, "8")
        await _end(world)

    simulate(story, APP)


@pytest.mark.parametrize("kill", ["cancel", "terminate"])
@pytest.mark.parametrize("step", range(3, 243, 6))
def test_a_node_may_die_between_any_two_steps_of_a_falling_tree(step: int, kill: str) -> None:
    """What the dead one had decided is in the outbox, and the whole tree falls."""

    async def story(world: World) -> None:
        node = world.node(die_at=step)
        other = world.node()

        async def revive() -> None:
            await node.died.wait()
            world.node()

        revival = asyncio.ensure_future(revive())
        world.worker()
        async with world.client() as client:
            await client.start(Root, "1", timeout=200)
            await _grown(world)
            if kill == "cancel":
                await client.cancel(Root, "1", timeout=200)
                await _fallen(world, branch="cancelled", leaves="cancelled")
            else:
                await client.terminate(Root, "1", tree=True, timeout=200)
                await _fallen(world, branch="terminated", leaves="terminated")
        await _end(world)
        assert not other.dead
        revival.cancel()

    simulate(story, APP, sweep_after=6.0)
