"""Children across partitions: what is lost is said again, what is said twice counts once, and nobody is asked in a storm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import Raw

from actors import App, Workflow, command, task
from actors.journal import Caller, ChildStarted
from runtime.hosting.children import restart_after, start_message
from runtime.messages import ChildOutcome, Start, encode_message
from runtime.routing import partition_of
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_ID, OTHER_LONG_ID = "x" * 180, "y" * 180
PARENT = ["RunStarted", "ChildStarted", "ChildCompleted", "RunCompleted"]
CHILD = ["RunStarted", "CommandReceived", "CommandCompleted", "RunCompleted"]


@task
async def work() -> str:
    return "worked"


class Child(Workflow):
    def __init__(self) -> None:
        self.said: str | None = None

    async def run(self, number: int) -> str:
        await self.until(lambda: self.said)
        return f"{number}: {self.said}"

    @command
    def say(self, what: str) -> None:
        self.said = what


class Parent(Workflow):
    async def run(self, child: str) -> Any:
        return await self.execute(Child, child, 7)


class Titled(Workflow, name="T" * 64):
    async def run(self, child: str | None) -> Any:
        return await (work() if child is None else self.execute(Titled, child, None))


class NewChild(Workflow, name="Child"):
    """Another version, whose arguments those of the old one don't fit."""

    async def run(self, name: str) -> str:
        return name


APP = App(actors=[Parent, Child, Titled], tasks=[work])


class LossyBroker(MemoryBroker):
    """Confirms, and loses all the same: so many messages whose body holds these words."""

    def __init__(self, words: bytes, losses: int) -> None:
        super().__init__()
        self.words, self.losses = words, losses
        self.seen = 0

    def put(self, message: Message) -> bool:
        if self.words in message.body:
            self.seen += 1
            if self.seen <= self.losses:
                return True
        return super().put(message)


def _clean(world: World) -> None:
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


async def _publish(client: Any, content: Start | ChildOutcome) -> None:
    key = str(partition_of(content.stream, 2))
    await client._asker.publisher.publish(Message(Destination.COMMANDS, key, encode_message(content)))


@pytest.mark.parametrize(
    ("age", "pause"), [(0, 60), (59, 60), (60, 60), (61, 61), (500, 500), (3600, 3600), (86_400 * 90, 3600)]
)
def test_the_pauses_double_up_to_an_hour(age: float, pause: float) -> None:
    """Each is as long as the child has been asked for."""
    row = start_message("Parent/1", ChildStarted(1, "Child", "1", Raw(b"[7]")), 8, None, NOW)
    assert restart_after(row, NOW + timedelta(seconds=age), timedelta(seconds=60)) == timedelta(seconds=pause)


@pytest.mark.parametrize("words", [b'"op":"child_outcome"', b'"caller":'])
def test_what_the_broker_lost_is_said_again(words: bytes) -> None:
    """The parent's row asks until it has its answer, and a child that has ended answers again."""
    broker = LossyBroker(words, losses=2)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Parent, "1", "a")
            await world.until(lambda: "Child/a" in world.store.log.streams, seconds=200)
            await client.call(Child, "a", "say", "hello")
            assert await client.result(Parent, "1", timeout=500) == "7: hello"
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
        await world.stop_all()
        assert broker.seen > 2
        assert types_of(world.store, "Parent/1") == PARENT
        assert types_of(world.store, "Child/a") == CHILD
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=6.0)


def test_a_child_that_runs_for_hours_is_asked_for_rarely() -> None:
    """Once at first, then after ever longer pauses, at most once an hour."""
    broker = LossyBroker(b'"caller":', losses=0)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Parent, "1", "a")
            await world.pass_time(4 * 3600)
            assert 8 <= broker.seen <= 12  # after 1, 2, 4 … 64 minutes, and then every hour
            await client.call(Child, "a", "say", "hello")
            assert await client.result(Parent, "1") == "7: hello"
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
        await world.stop_all()
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=60.0, lease_ttl=600.0, within=5 * 3600.0)


def test_said_twice_and_by_others_it_counts_once() -> None:
    """The same start attaches, another caller's is told of the conflict, and no outcome is believed but the child's own."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Parent, "1", "a")
            await world.until(lambda: "Child/a" in world.store.log.streams)
            caller = Caller("Parent/1", 1)
            again = Start(type="Child", id="a", input=Raw(b'{"number":7}'), command_id=caller.key, caller=caller)
            await _publish(client, again)
            thief = Caller("Parent/nobody", 1)
            await _publish(client, Start(type="Child", id="a", input=again.input, command_id=thief.key, caller=thief))
            for number, child in ((1, "Child/b"), (2, "Child/a")):
                lie = ChildOutcome(type="Parent", id="1", number=number, child=child, result=Raw(b'"a lie"'))
                await _publish(client, lie)
            await client.call(Child, "a", "say", "hello")
            assert await client.result(Parent, "1") == "7: hello"
            await _publish(client, again)
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
        await world.stop_all()
        assert types_of(world.store, "Parent/1") == PARENT
        assert types_of(world.store, "Child/a") == CHILD
        _clean(world)

    simulate(story, APP)


def test_a_forged_caller_is_refused() -> None:
    """It must be the one that the command id names; the message goes, as a workflow's own would come again."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for caller in (Caller("Parent/1", 0), Caller("no stream", 1), Caller("Parent/1", 2**40)):
                await _publish(client, Start(type="Child", id="a", command_id=caller.key, caller=caller))
            await _publish(client, Start(type="Child", id="a", command_id="other", caller=Caller("Parent/1", 1)))
            assert await client.start(Child, "last", 1)
        await world.until(lambda: all(world.broker.depth(Destination.COMMANDS, f"{p}") == 0 for p in range(2)))
        await world.stop_all()
        assert list(world.store.log.streams) == ["Child/last"]
        assert not any(p.quarantine for p in world.store.log.partitions)

    simulate(story, APP)


def test_names_as_long_as_they_may_be() -> None:
    """A stream's name with a number is longer than a command id or a correlation id that people choose."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            # Without a command id: then the correlation id is the stream's name.
            await _publish(
                client, Start(type=Titled.type_name, id=LONG_ID, input=Raw(b'["%s"]' % OTHER_LONG_ID.encode()))
            )
            await world.until(lambda: f"{Titled.type_name}/{OTHER_LONG_ID}" in world.store.log.streams)
            assert await client.result(Titled, LONG_ID, timeout=10) == "worked"
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
        await world.stop_all()

    simulate(story, APP)


def test_arguments_that_the_child_s_node_can_t_take_stop_the_child_not_the_news() -> None:
    """Nodes of two versions side by side: the child is there, stuck, and goes on where the old code runs."""
    newer = App(actors=[Parent, NewChild, Titled], tasks=[work])

    async def story(world: World) -> None:
        node = world.node(app=newer)
        await world.served(node)
        async with world.client() as client:
            await _publish(
                client,
                Start(
                    type="Child",
                    id="a",
                    input=Raw(b'{"number":7}'),
                    command_id="Parent/1#1",
                    caller=Caller("Parent/1", 1),
                ),
            )
            await world.until(lambda: "Child/a" in world.store.log.streams)
            await world.until(lambda: types_of(world.store, "Child/a") == ["RunStarted", "Stuck"])
            await node.stop()
            world.node()
            await client.call(Child, "a", "say", "hello", timeout=60)
            assert await client.result(Child, "a", timeout=60) == "7: hello"
        await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
        await world.stop_all()
        _clean(world)

    simulate(story, APP)
