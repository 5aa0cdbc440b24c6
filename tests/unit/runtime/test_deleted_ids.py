"""The id of a deleted instance is used again: nothing of the former one is taken for the new one's, nor the other way round."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from msgspec import Raw, Struct, json

from actors import Actor, App, Workflow, command, event, query, task
from actors.journal import Caller, Stop
from eventstore import TimerKey
from runtime import CommandError, NotFound
from runtime.messages import (
    AwaitResult,
    Cancel,
    Reply,
    Resolve,
    Start,
    Status,
    TaskOutcome,
    Terminate,
    encode_message,
)
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate


@task
async def work(n: int) -> int:
    return n + 1


class Job(Workflow):
    def __init__(self) -> None:
        self.goes = 0
        self.lucky = 0

    async def run(self, n: int, rounds: int = 1) -> int:
        self.lucky = self.random.randrange(1_000_000)
        n = await work(n)
        await self.until(lambda: self.goes)
        if rounds > 1:
            return self.continue_as_new(n, rounds - 1)
        return n

    @command
    def go(self) -> int:
        self.goes += 1
        return self.goes

    @query
    def luck(self) -> int:
        return self.lucky


class Parent(Workflow):
    async def run(self) -> int:
        result: int = await self.execute(Job, "child", 1)
        return result


class Noted(Struct):
    what: str


class Page(Struct):
    lines: list[str] = []


class Notes(Actor):
    state: Page

    @command
    def note(self, what: str) -> int:
        self.emit(Noted(what))
        return len(self.state.lines)

    @command
    def pass_on(self, to: str, what: str) -> None:
        self.tell(Notes, to).note(what)

    @event
    def noted(self, noted: Noted) -> None:
        self.state.lines.append(noted.what)

    @query
    def lines(self) -> list[str]:
        return self.state.lines


APP = App(actors=[Job, Parent, Notes], tasks=[work])


async def ask(client: Any, content: Any) -> Reply:
    reply: Reply = await client._asker.ask(content, 20.0)
    return reply


def is_over(world: World, stream: str, round: int) -> bool:
    """Say whether so many runs have followed the first one, or the last one has ended."""
    types = types_of(world.store, stream)
    return types.count("RunContinued") > round or "RunCompleted" in types


async def end(world: World) -> None:
    await world.until(lambda: all(not p.outbox for p in world.store.log.partitions))
    await world.stop_all()
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


async def publish(client: Any, content: TaskOutcome | Start) -> None:
    """Say something as a worker or another instance would."""
    key = str(partition_of(f"{content.type}/{content.id}", 2))
    await client._asker.publisher.publish(Message(Destination.COMMANDS, key, encode_message(content)))


def test_numbers_count_on_and_so_do_random_numbers() -> None:
    """A task's key is used once for ever, however often its instance is deleted; a late outcome finds nobody."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            lucky = set()
            for life in range(1, 4):
                await client.start(Job, "1", 10 * life)
                await world.until(lambda: "TaskScheduled" in types_of(world.store, "Job/1"))
                if life > 1:
                    await publish(client, TaskOutcome(type="Job", id="1", task=1, attempt=1, result=Raw(b"0")))
                scheduled = next(e for e in world.store.log.streams["Job/1"].events if e.type == "TaskScheduled")
                assert b'"task":%d,' % life in scheduled.data
                worker = world.worker()
                lucky.add(await client.query(Job, "1", "luck"))
                await client.call(Job, "1", "go")
                assert await client.result(Job, "1") == 10 * life + 1
                await worker.stop()
                await client.delete(Job, "1")
            assert len(lucky) == 3
        await end(world)

    simulate(story, APP)


def test_command_ids_that_are_used_again_hold_nothing_up() -> None:
    """A command of the former instance gets its first answer; the new one's runs follow each other all the same."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            for life in ("first", "second"):
                await client.start(Job, "1", 1, rounds=3)
                for round in range(3):
                    id = f"go-{round}" if life == "first" else f"go-{round}-again"
                    assert await client.call(Job, "1", "go", command_id="go-0") == 1
                    if life == "second" or round:
                        assert await client.call(Job, "1", "go", command_id=id) == 1
                    await world.until(partial(is_over, world, "Job/1", round))
                assert await client.result(Job, "1") == 4
                await client.delete(Job, "1")
                assert await client.call(Job, "1", "go", command_id="go-0") == 1
                with pytest.raises(NotFound):
                    await client.call(Job, "1", "go", command_id="another")
        await end(world)

    simulate(story, APP)


def test_requests_of_before_do_not_hit_the_new_one() -> None:
    """Whatever was said to the deleted instance gets its first answer when it is said again, and does nothing."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1, command_id="s")
            settle = Resolve(type="Job", id="1", name="p", command_id="r", result=Raw(b"1"))
            cancel = Cancel(type="Job", id="1", command_id="c")
            stop = Terminate(type="Job", id="1", command_id="t")
            requests = (settle, stop)
            for request in requests:
                assert (await ask(client, request)).status is Status.OK
            await client.delete(Job, "1")
            for _ in range(2):
                for request in requests:
                    reply = await ask(client, request)
                    assert (reply.status, b"true" in bytes(reply.result or b"")) == (Status.OK, True)
                if types_of(world.store, "Job/1") == ["InstanceDeleted"]:
                    assert (await ask(client, AwaitResult(type="Job", id="1"))).status is Status.NOT_FOUND
                    assert (await ask(client, cancel)).status is Status.NOT_FOUND
                    assert await client.start(Job, "1", 1, command_id="s") is True
                    assert (await ask(client, AwaitResult(type="Job", id="1"))).status is Status.NOT_FOUND
                    await client.start(Job, "1", 5)
                    node.die()
                    node = world.node()
            assert types_of(world.store, "Job/1")[:2] == ["InstanceDeleted", "RunStarted"]
            assert len(types_of(world.store, "Job/1")) == 3, "and a task"
            world.worker()
            await client.call(Job, "1", "go")
            assert await client.result(Job, "1") == 6
        await end(world)

    simulate(story, APP)


def test_a_child_that_was_deleted_is_not_started_again() -> None:
    """The parent that asks once more, because the answer was lost, hears how it ended."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            running = await client.start(Parent, "1")
            assert running
            await client.call(Job, "child", "go", timeout=30)
            assert await client.result(Parent, "1") == 2
            [begun] = (e for e in world.store.log.streams["Parent/1"].events if e.type == "ChildStarted")
            input = Raw(json.decode(begun.data, type=dict[str, Raw])["input"])
            await client.delete(Job, "child")
            caller = Caller("Parent/1", 1)
            for stop in (None, Stop("cancel")):
                start = Start(type="Job", id="child", input=input, command_id=caller.key, caller=caller, stop=stop)
                await publish(client, start)
                await world.pass_time(1)
            assert types_of(world.store, "Job/child") == ["InstanceDeleted"]
        await end(world)

    simulate(story, APP)


def test_a_stop_that_overtakes_the_start_of_a_new_child() -> None:
    """None is created under the deleted one's name, and the start that comes late is answered with that end."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Job, "child", 1)
            await client.terminate(Job, "child")
            await client.delete(Job, "child")
            caller = Caller("Parent/1", 1)
            for stop in (Stop("cancel"), None):
                start = Start(
                    type="Job", id="child", input=Raw(b"[1]"), command_id=caller.key, caller=caller, stop=stop
                )
                await publish(client, start)
                await world.pass_time(1)
            assert types_of(world.store, "Job/child") == ["InstanceDeleted"]
        await end(world)

    simulate(story, APP)


def test_a_command_with_a_start_begins_anew() -> None:
    """As any start does; and said again it is answered, and begins nothing."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            for life in range(1, 4):
                for _ in range(2):
                    assert await client.start_and_call(Job, "1", {"n": 1}, "go", command_id=f"go-{life}") == 1
                assert await client.result(Job, "1") == 2
                await client.delete(Job, "1")
                assert await client.start_and_call(Job, "1", {"n": 1}, "go", command_id=f"go-{life}") == 1
                assert types_of(world.store, "Job/1") == ["InstanceDeleted"]
        await end(world)

    simulate(story, APP)


def test_an_actor_s_told_commands_have_numbers_of_their_own() -> None:
    """One that was not yet told when its actor was deleted is not lost under the next one's."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for what in ("a", "b", "c"):
                await client.call(Notes, "1", "pass_on", "2", what)
                await client.delete(Notes, "1")
            await world.until(lambda: types_of(world.store, "Notes/2") == ["Noted"] * 3)
            assert sorted(await client.query(Notes, "2", "lines")) == ["a", "b", "c"]
            for number in range(260):
                await client.call(Notes, "1", "note", str(number))
            assert len(world.store.log.streams["Notes/1"].snapshots) == 1
            await client.call(Notes, "1", "pass_on", "2", "d")
            await world.until(lambda: types_of(world.store, "Notes/2") == ["Noted"] * 4)
        await end(world)

    simulate(story, APP)


async def age(world: World, days: float) -> None:
    """Have all that the log holds be so much older, and give the node the time to see it."""
    earlier = timedelta(days=days)
    for partition in world.store.log.partitions:
        partition.timers = [TimerKey(key.due_at - earlier, key.stream, key.number) for key in partition.timers]
    for stream in world.store.log.streams.values():
        for recorded in stream.events:
            recorded.recorded_at -= earlier
    await world.pass_time(200)


def test_what_is_left_goes_when_nothing_can_come_again() -> None:
    """After the days for which command ids are remembered, and two more; not what has begun anew, and not too early."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            for id in ("gone", "again", "twice"):
                await client.start_and_call(Job, id, {"n": 1}, "go")
                await client.result(Job, id)
                await client.delete(Job, id)
            await client.call(Notes, "gone", "note", "x")
            await client.delete(Notes, "gone")
            await client.start(Job, "again", 1)
            await age(world, 5)
            await client.start_and_call(Job, "twice", {"n": 1}, "go")
            await client.result(Job, "twice")
            await client.delete(Job, "twice")
            await age(world, 4.1)
            assert types_of(world.store, "Job/gone") == types_of(world.store, "Notes/gone") == []
            assert types_of(world.store, "Job/again")[:2] == ["InstanceDeleted", "RunStarted"]
            assert types_of(world.store, "Job/twice") == ["InstanceDeleted"]
            await age(world, 5)
            assert types_of(world.store, "Job/twice") == []
            assert not any(partition.timers for partition in world.store.log.partitions)
            await client.call(Job, "again", "go")
            assert await client.result(Job, "again") == 2
        await end(world)

    simulate(story, APP, within=4000.0)


def test_an_id_of_a_type_that_nobody_knows_any_more() -> None:
    """What is left of its instance does not make it exist: it is not listed, parked or found."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.terminate(Job, "1")
            await client.delete(Job, "1")
            await client.call(Notes, "1", "note", "x")
            await client.delete(Notes, "1")
            await node.stop()
            world.node(app=App(actors=[Parent, Job], tasks=[work]))
            assert (await ask(client, AwaitResult(type="Notes", id="1"))).status is Status.INVALID
            assert await client.list() == []

    simulate(story, APP)


def test_a_fork_of_one_that_has_begun_anew() -> None:
    """It lives on like any; but what is left of a deleted instance is none."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            for _ in range(2):
                await client.start_and_call(Job, "1", {"n": 1}, "go")
                assert await client.result(Job, "1") == 2
                await client.delete(Job, "1")
            with pytest.raises(CommandError, match="was deleted"):
                await client.fork(Job, "1", "3", at=1)
            await client.start_and_call(Job, "1", {"n": 1}, "go")
            assert await client.result(Job, "1") == 2
            await client.fork(Job, "1", "2", at=3)
            await client.call(Job, "2", "go")
            assert await client.result(Job, "2") == 2
        await end(world)

    simulate(story, APP)
