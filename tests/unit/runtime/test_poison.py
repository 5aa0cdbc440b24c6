"""Messages that can't be handled: each gets its answer or its place in quarantine, and the others go on."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from actors import Actor, App, Workflow, command, event, query, task
from actors.codec import MAX_BYTES
from eventstore import Quarantined
from runtime import Client, CommandInvalid, CommandQuarantined, NotFound, PerdureError
from runtime.hosting.host import PartitionHost
from runtime.messages import Reply, Status, decode_reply
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log
from tests.simulation.faults import Fate, every
from tests.simulation.world import World, simulate


class Die(BaseException):
    """Ends the process that it is raised in, as a segmentation fault would."""


class Strange:
    """A type whose conversion has a mistake of its own."""

    @classmethod
    def model_validate(cls, _: Any) -> Strange:
        raise RuntimeError("the validator broke")

    def model_dump(self, mode: str = "json") -> dict[str, str]:
        return {}


class Added(Struct):
    number: int


class Numbers(Struct):
    all: list[int] = []


class Adder(Actor):
    state: Numbers

    @command
    def add(self, number: int) -> int:
        if number == 13:
            raise ValueError("unlucky")
        if number == 666:
            raise KeyboardInterrupt
        self.emit(Added(number))
        return len(self.state.all)

    @event
    def added(self, e: Added) -> None:
        self.state.all.append(e.number)

    @query
    def all(self) -> list[int]:
        return self.state.all

    @query
    def broken(self) -> int:
        raise ValueError("a query's mistake")


class Strangely(Workflow):
    async def run(self, strange: Strange) -> None: ...


class Waiting(Workflow):
    async def run(self, number: int) -> None:
        await self.until(lambda: False)

    @command
    def take(self, number: int) -> int:
        return number


@task
async def unused() -> None: ...


APP = App(actors=[Adder, Strangely, Waiting], tasks=[unused])


def _quarantined(world: World) -> list[Quarantined]:
    return [row for partition in world.store.log.partitions for row in partition.quarantine.values()]


async def _ask_raw(client: Client, body: bytes, partition: int = 0) -> Reply:
    """Publish bytes as a publisher in another language might, and wait for the reply."""
    address, inbox = await client._transport.reply_inbox()
    await client._transport.publish([Message(Destination.COMMANDS, str(partition), body, address, "raw")])
    async with asyncio.timeout(20):
        (delivery,) = await inbox.receive()
    await inbox.close()
    return decode_reply(delivery.body)


def _command(**fields: Any) -> bytes:
    message = {"op": "command", "type": "Adder", "id": "a", "name": "add", "command_id": "x", "input": {"number": 1}}
    return msgspec.json.encode(message | fields)


BAD: dict[str, tuple[bytes, str]] = {
    "malformed": (b'{"op": "command", "type": ', "PayloadRefused"),
    "not JSON": (b"\xff\xfe\x00", "PayloadRefused"),
    "empty": (b"", "PayloadRefused"),
    "not an object": (b"[1, 2]", "PayloadRefused"),
    "NaN": (_command().replace(b'{"number":1}', b'{"number":NaN}'), "PayloadRefused"),
    "no op": (b'{"type": "Adder", "id": "a"}', "PayloadRefused"),
    "an unknown op": (_command(op="destroy"), "PayloadRefused"),
    "too deep": (_command(input={"number": 1}).replace(b"1}}", b"[" * 70 + b"]" * 70 + b"}}"), "PayloadRefused"),
    "far too deep": (b"[" * 100_000, "PayloadRefused"),
    "too large": (_command(input={"number": "x" * MAX_BYTES}), "PayloadRefused"),
    "no command id": (_command(command_id=None), "PayloadRefused"),
    "an empty command id": (_command(command_id=""), "InvalidInput"),
    "a long command id": (_command(command_id="x" * 500), "InvalidInput"),
    "a command id with NUL": (_command(command_id="x\0"), "InvalidInput"),
    "a correlation id with a line break": (_command(correlation_id="x\n"), "InvalidInput"),
    "an empty id": (_command(id=""), "InvalidId"),
    "an id with a slash": (_command(id="a/b"), "InvalidId"),
    "an id with a space": (_command(id="a b"), "InvalidId"),
    "a long id": (_command(id="x" * 300), "InvalidId"),
    "an unknown type": (_command(type="Nobody"), "UnknownName"),
    "a strange type": (_command(type="No body"), "InvalidId"),
    "an unknown command": (_command(name="destroy"), "UnknownName"),
    "a private method": (_command(name="__init__"), "UnknownName"),
    "a wrong argument": (_command(input={"number": "one"}), "InvalidArguments"),
    "a missing argument": (_command(input={}), "InvalidArguments"),
    "one argument too many": (_command(input={"number": 1, "more": 2}), "InvalidArguments"),
    "input that is no object": (_command(input=7), "InvalidArguments"),
    "an unknown query": (_command(op="query", name="nothing"), "UnknownName"),
    "a start of an actor": (_command(op="start"), "InvalidInput"),
    "a result of an actor": (_command(op="result"), "InvalidInput"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_refused_in_words_and_the_partition_goes_on(what: str) -> None:
    """The sender hears what was wrong; nothing is stored; the next message is handled."""
    body, error = BAD[what]

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for partition in (0, 1):
                reply = await _ask_raw(client, body, partition)
                assert reply.status is Status.INVALID, reply
                assert reply.error is not None
                assert reply.error.type == error, reply.error
                assert len(reply.error.message) > 10
            assert not world.store.log.streams
            assert not _quarantined(world)
            assert await client.call(Adder, "a", "add", 1) == 1
        await world.stop_all()

    simulate(story, APP)


@pytest.mark.parametrize("destination", [Destination.COMMANDS, Destination.INGRESS])
def test_bad_input_with_nobody_to_tell_is_kept_with_its_reason(destination: Destination) -> None:
    """So that a person can look; also when it came by way of the ingress."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            key = "0" if destination is Destination.COMMANDS else "Adder.a"
            await client._asker.publisher.publish(Message(destination, key, b'{"op": "what'))
            (row,) = await world.until(lambda: _quarantined(world))
            assert row.body == b'{"op": "what'
            assert "PayloadRefused" in row.reason
            assert await client.call(Adder, "a", "add", 1) == 1
        await world.stop_all()

    simulate(story, APP)


def test_a_command_that_always_crashes_is_quarantined() -> None:
    """After some attempts, with its reason; repetitions get the same answer; what came before and after it counts."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            calls = [
                asyncio.ensure_future(client.call(Adder, "a", "add", n, command_id=f"c{n}")) for n in (1, 2, 13, 3, 4)
            ]
            await asyncio.wait(calls)
            assert [call.result() for call in calls if call.exception() is None] == [1, 2, 3, 4]
            assert isinstance(calls[2].exception(), CommandQuarantined)
            (row,) = _quarantined(world)
            assert (row.reason, row.attempts) == ("ValueError: unlucky", 3)
            with pytest.raises(CommandQuarantined):
                await client.call(Adder, "a", "add", 13, command_id="c13")
            assert len(_quarantined(world)) == 1
            assert await client.query(Adder, "a", "all") == [1, 2, 3, 4]
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
def test_a_message_is_put_aside_in_the_end_though_the_store_fails(fate: Fate) -> None:
    """The commit that quarantines it is unknown at first."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        node.store.plan = every(2, fate, "commit", first=1)
        async with world.client() as client:
            with pytest.raises(CommandQuarantined):
                await client.call(Adder, "a", "add", 13, command_id="x", timeout=30)
            assert await client.call(Adder, "a", "add", 1, timeout=30) == 1
        await world.stop_all()
        assert len(_quarantined(world)) == 1

    simulate(story, APP)


def test_a_start_that_crashes_before_any_user_code_is_quarantined() -> None:
    """The first start of an instance is handled without looking; what fails there must not be forgotten."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            with pytest.raises(CommandQuarantined, match="the validator broke"):
                await client.start("Strangely", "1", input={"strange": {}}, timeout=10)
        await world.stop_all()
        assert not world.store.log.streams

    simulate(story, APP)


def test_a_query_that_crashes_answers_so() -> None:
    """And nothing is quarantined for it."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            with pytest.raises(PerdureError, match="a query's mistake"):
                await client.query(Adder, "a", "broken")
        await world.stop_all()
        assert not _quarantined(world)

    simulate(story, APP)


def test_a_message_that_kills_its_node_is_found_out() -> None:
    """Each delivery ends a process; after some of them it is put aside, and the messages behind it are handled."""

    async def story(world: World) -> int:
        killed = 0

        async def keep_a_node_up() -> None:
            nonlocal killed
            while True:
                node = world.node()
                node.node._services.app = _deadly(node)
                await node.died.wait()
                killed += 1

        keeping = asyncio.ensure_future(keep_a_node_up())
        async with world.client() as client:
            good = [asyncio.ensure_future(client.call(Adder, f"{n}", "add", n, timeout=200)) for n in range(4)]
            with pytest.raises(CommandQuarantined, match="died"):
                await client.call(Adder, "a", "add", 666, command_id="deadly", timeout=200)
            assert await asyncio.gather(*good) == [1, 1, 1, 1]
            assert await client.call(Adder, "a", "add", 1, timeout=20) == 1
        keeping.cancel()
        await world.stop_all()
        (row,) = {row.body for row in _quarantined(world)}
        assert b"666" in row
        return killed

    assert 2 <= simulate(story, APP) <= 8


@pytest.mark.parametrize("what", ["an actor's command", "a start", "a workflow's command"])
def test_what_took_effect_though_its_node_died_is_answered_not_put_aside(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may be told that it had no effect."""
    done = PartitionHost.done
    up: list[Any] = []

    async def story(world: World) -> None:
        async def keep_a_node_up() -> None:
            while True:
                up.append(world.node())
                await up[-1].died.wait()

        def die_before_the_ack(host: PartitionHost, activation: Any, step: Any, item: Any) -> None:
            if getattr(item.content, "command_id", None) == "deadly":
                up[-1].die()
            else:
                done(host, activation, step, item)

        monkeypatch.setattr(PartitionHost, "done", die_before_the_ack)
        keeping = asyncio.ensure_future(keep_a_node_up())
        async with world.client() as client:
            match what:
                case "a start":
                    assert await client.start(Waiting, "1", 7, command_id="deadly", timeout=200)
                case "a workflow's command":
                    await client.start(Waiting, "1", 7, timeout=200)
                    assert await client.call(Waiting, "1", "take", 7, command_id="deadly", timeout=200) == 7
                case _:
                    assert await client.call(Adder, "a", "add", 7, command_id="deadly", timeout=200) == 1
            assert await client.call(Adder, "b", "add", 1, timeout=200) == 1
        keeping.cancel()
        await world.stop_all()
        assert _quarantined(world) == []

    simulate(story, APP)


def _deadly(process: Any) -> App:
    """The app as one process has it: number 666 ends that process at once."""

    class Adder2(Adder, name="Adder"):
        @command
        def add(self, number: int) -> int:
            if number == 666:
                process.die()
                return 0
            return super().add(number)

    return App(actors=[Adder2, Strangely, Waiting], tasks=[unused])


def test_wrong_arguments_are_refused_before_they_are_sent() -> None:
    """Where the client knows the class."""

    async def story(world: World) -> None:
        async with world.client() as client:
            with pytest.raises(CommandInvalid):
                await client.call(Adder, "a", "add", "one")
            with pytest.raises(CommandInvalid):
                await client.call(Adder, "a", "destroy")
            with pytest.raises(CommandInvalid):
                await client.start(Waiting, "1")
        assert world.broker.depth(Destination.COMMANDS, "0") == 0

    simulate(story, APP)


def test_a_workflow_command_with_wrong_arguments_leaves_no_trace() -> None:
    """Neither does one for an instance that is not there."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Waiting, "1", 1)
            with pytest.raises(CommandInvalid):
                await client.call("Waiting", "1", "take", input={"number": "x"})
            with pytest.raises(NotFound):
                await client.call("Waiting", "2", "take", input={"number": 1})
            assert len(world.store.log.streams["Waiting/1"].events) == 1
        await world.stop_all()

    simulate(story, APP)
