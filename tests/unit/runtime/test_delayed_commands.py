"""Delayed commands where things go wrong: lost messages, unknown commits, actors that can't take them when they are due."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, PayloadRefused, Rejected, Workflow, command, event, query, validator
from runtime.cli.due import due_time
from runtime.cli.errors import CommandLineError
from runtime.messages import Send, decode_inbound
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker
from tests.simulation.world import World, simulate


class Rang(Struct):
    times: int = 1


class Rings(Struct):
    times: int = 0


class Deployed:
    """Which version of the code runs."""

    fixed = True


class Bell(Actor):
    state: Rings

    @command
    def ring(self) -> int:
        self.emit(Rang())
        return self.state.times

    @command
    def refuse(self) -> None:
        raise Rejected("out of order")

    @event
    def rang(self, e: Rang) -> None:
        if not Deployed.fixed:
            raise ZeroDivisionError("a mistake")
        self.state.times += e.times

    @query
    def times(self) -> int:
        return self.state.times


class Visit(Workflow):
    def __init__(self) -> None:
        self.rung = 0

    async def run(self, most: int = 1) -> int:
        await self.until(lambda: self.rung >= most)
        return self.rung

    @command
    def ring(self) -> int:
        self.rung += 1
        return self.rung

    @command
    def knock(self, how: str) -> None: ...

    @validator(knock)
    def may_knock(self, how: str) -> None:
        raise ZeroDivisionError("a mistake of the validator")


class SlowBell(Actor):
    """Its command waits, and others wait for that."""

    state: Rings

    @command
    async def ring(self) -> int:
        await asyncio.sleep(2)
        self.emit(Rang())
        return self.state.times

    @event
    def rang(self, e: Rang) -> None:
        self.state.times += e.times


class Round(Workflow):
    """Starts over with each ring."""

    def __init__(self) -> None:
        self.rung = False

    async def run(self, rings: int = 0) -> int:
        await self.until(lambda: self.rung or rings == 3)
        if rings == 3:
            return rings
        return self.continue_as_new(rings + 1)

    @command
    def ring(self) -> None:
        self.rung = True


APP = App(actors=[Bell, SlowBell, Visit, Round])


@pytest.fixture(autouse=True)
def _fixed() -> None:
    Deployed.fixed = True


class LossyBroker(MemoryBroker):
    """Confirms what comes out of a row, and loses it: so many times."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses
        self.seen = 0

    def put(self, message: Message) -> bool:
        if b'"scheduled":true' in message.body:
            self.seen += 1
            if self.seen <= self.losses:
                return True
        return super().put(message)


def _clean(world: World) -> None:
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues)


def _rows(world: World) -> int:
    return sum(len(partition.outbox) for partition in world.store.log.partitions)


@pytest.mark.parametrize("broker", [LossyBroker(2), RepeatingBroker()], ids=["lost", "twice"])
def test_what_the_broker_loses_or_repeats_counts_once(broker: MemoryBroker) -> None:
    """The row says it again until the command is recorded."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Visit, "1")
            await client.call_later(Bell, "b", "ring", after=3, command_id="x")
            await client.call_later(Visit, "1", "ring", after=3, command_id="x")
            assert await client.result(Visit, "1", timeout=500) == 1
            await world.until(lambda: not _rows(world), seconds=500)
            assert await client.query(Bell, "b", "times") == 1
        await world.stop_all()
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=6.0)


@pytest.mark.parametrize("fate", [Fate.ANSWER_LOST, Fate.NOT_DONE])
@pytest.mark.parametrize("commit", range(1, 8))
def test_an_unknown_commit_loses_and_doubles_nothing(fate: Fate, commit: int) -> None:
    """Whether the one that accepts it or the one that records it."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        seen = 0

        def plan(method: str) -> Fate:
            nonlocal seen
            seen += method == "commit"
            return fate if method == "commit" and seen == commit else Fate.GOOD

        node.store.plan = plan
        async with world.client() as client:
            await client.start(Visit, "1", 2, timeout=100)
            await client.call_later(Bell, "b", "ring", after=3, command_id="x", timeout=100)
            await client.call_later(Visit, "1", "ring", after=3, command_id="x", timeout=100)
            await client.call_later(Visit, "1", "ring", after=4, command_id="y", timeout=100)
            assert await client.result(Visit, "1", timeout=500) == 2
            await world.until(lambda: not _rows(world), seconds=500)
            assert await client.query(Bell, "b", "times") == 1
        await world.stop_all()
        _clean(world)

    simulate(story, APP, sweep_after=6.0)


@pytest.mark.parametrize("broker", [LossyBroker(2), RepeatingBroker()], ids=["lost", "twice"])
def test_each_counts_once_in_a_workflow_that_starts_over(broker: MemoryBroker) -> None:
    """Also when it comes again in a later run than the one that has handled it, or comes due there."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Round, "1")
            for n in range(3):
                await client.call_later(Round, "1", "ring", after=2 + 3 * n, command_id=f"x{n}", timeout=100)
            assert await client.result(Round, "1", timeout=500) == 3
            await world.until(lambda: not _rows(world), seconds=500)
        await world.stop_all()
        assert types_of(world.store, "Round/1").count("CommandReceived") == 3
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=6.0)


@pytest.mark.parametrize("broker", [LossyBroker(2), RepeatingBroker()], ids=["lost", "twice"])
def test_each_counts_once_in_an_actor_whose_commands_wait(broker: MemoryBroker) -> None:
    """Also when it comes due while another one is under way; accepted says no more than that."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.call_later(SlowBell, "b", "ring", after=1, command_id="x")
            await client.call_later(SlowBell, "b", "ring", after=2, command_id="y")
            assert await client.submit(SlowBell, "b", "ring", command_id="z") == "z"
            assert await client.call(SlowBell, "b", "ring", command_id="z") == 1
            await world.until(lambda: types_of(world.store, "SlowBell/b").count("Rang") == 3, seconds=200)
            await world.until(lambda: not _rows(world), seconds=500)
            await world.until(lambda: node.node.activations == 0, what="unloaded")
            assert await client.call(SlowBell, "b", "ring", command_id="z") == 1
            assert await client.submit(SlowBell, "b", "ring", command_id="x") == "x"
        await world.stop_all()
        assert types_of(world.store, "SlowBell/b").count("Rang") == 3
        _clean(world)

    simulate(story, APP, broker=broker, sweep_after=6.0, idle=2.0)


def test_far_off_ones_need_no_memory_and_are_not_early() -> None:
    """A thousand in a year: rows, and nothing else, until their minute comes; also for the next owner."""

    async def story(world: World) -> None:
        node = world.node()
        due = world.now() + timedelta(days=365)
        async with world.client() as client:
            for n in range(1000):
                await client.call_later(Bell, f"{n}", "ring", at=due)
            await world.until(lambda: node.node.activations == 0, what="unloaded")
            for service, _ in node.node._serving.values():
                outbox = service.host.outbox
                assert (len(outbox._planned), len(outbox._sent), len(service.host.schedule)) == (0, 0, 0)
            await node.stop()
            world.stand_still((due - world.now()).total_seconds() - 5)
            world.node()
            await world.pass_time(4)
            assert _rows(world) == 1000
            assert not world.store.log.streams["Bell/7"].events
            await world.until(lambda: not _rows(world), seconds=100)
            assert types_of(world.store, "Bell/7") == ["Rang"]
        await world.stop_all()
        _clean(world)

    simulate(story, APP, idle=2.0, within=10.0**9)


def test_one_that_can_not_be_taken_when_it_is_due_is_put_aside() -> None:
    """With the reason, and its row is gone; a refusal by the handler is an answer like any other."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Visit, "1")
            await client.call_later(Visit, "1", "ring", after=5, command_id="x")
            await client.call_later(Bell, "b", "refuse", after=5, command_id="x")
            await client.call(Visit, "1", "ring")
            (kept,) = await world.until(world.store.quarantined)
            assert "Visit/1 has ended" in kept.reason
            await world.until(lambda: not _rows(world))
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_one_that_always_crashes_is_put_aside_once() -> None:
    """Its row goes with that, and does not say it again."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Visit, "1")
            await client.call_later(Visit, "1", "knock", "loudly", after=5, command_id="x")
            (kept,) = await world.until(world.store.quarantined)
            assert "a mistake of the validator" in kept.reason
            assert not _rows(world)
            await world.pass_time(300)
            assert len(await world.store.quarantined()) == 1
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP, sweep_after=6.0)


def test_an_actor_that_is_stuck_takes_it_after_the_fix() -> None:
    """Its row says it again until then, and nothing is put aside."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.call(Bell, "b", "ring")
            await client.call_later(Bell, "b", "ring", after=5, command_id="x")
            await world.until(lambda: node.node.activations == 0, what="unloaded")
            Deployed.fixed = False
            await world.pass_time(20)
            assert types_of(world.store, "Bell/b") == ["Rang"]
            Deployed.fixed = True
            await world.until(lambda: len(types_of(world.store, "Bell/b")) == 2, seconds=400)
            await world.until(lambda: not _rows(world), seconds=400)
        await world.stop_all()
        _clean(world)

    simulate(story, APP, idle=1.0, sweep_after=6.0)


@pytest.mark.parametrize(
    ("after", "at", "given"),
    [
        ("90", None, {"after": timedelta(seconds=90)}),
        ("1h30m", None, {"after": timedelta(minutes=90)}),
        ("2d", None, {"after": timedelta(days=2)}),
        ("0.5s", None, {"after": timedelta(seconds=0.5)}),
    ],
)
def test_times_on_the_command_line(after: str | None, at: str | None, given: dict[str, Any]) -> None:
    """As people write them."""
    assert due_time(after, at) == given


@pytest.mark.parametrize(
    ("after", "at", "complaint"),
    [
        ("soon", None, "no time"),
        ("", None, "no time"),
        ("999999999999d", None, "longer than the calendar"),
        (None, "tomorrow", "no time"),
        (None, "2027-01-01T00:00", "no time zone"),
        ("1h", "2027-01-01T00:00Z", "not both"),
    ],
)
def test_what_is_no_time_is_refused(after: str | None, at: str | None, complaint: str) -> None:
    """In a line that says how to write it."""
    with pytest.raises(CommandLineError, match=complaint):
        due_time(after, at)


@pytest.mark.parametrize(
    ("due_at", "complaint"),
    [("2027-01-01T00:00:00", "has no offset"), ("9999-12-31T23:59:59-23:59", "beyond the calendar")],
)
def test_a_time_on_the_wire_that_is_none_is_refused(due_at: str, complaint: str) -> None:
    """Before anything is stored."""
    body = b'{"op":"command","type":"Bell","id":"b","name":"ring","command_id":"x","due_at":"%s"}' % due_at.encode()
    with pytest.raises(PayloadRefused, match=complaint):
        decode_inbound(body)


def test_one_time_is_the_same_in_every_offset() -> None:
    """So a repetition may write it in another way."""
    times = []
    for due_at in ("2027-01-01T00:00:00Z", "2027-01-01T01:00:00+01:00"):
        body = b'{"op":"command","type":"Bell","id":"b","name":"ring","command_id":"x","due_at":"%s"}' % due_at.encode()
        message = decode_inbound(body)
        assert isinstance(message, Send)
        assert message.due_at is not None
        times.append(message.due_at.isoformat())
    assert times[0] == times[1]
