"""An instance was started again: what was said to its former run is not taken for something new, nor its end for the new one's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from actors import App, Workflow, command
from actors.journal import Caller
from eventstore import DuplicateCommand
from runtime import CommandError, InstanceTerminated
from runtime.client import Client
from runtime.messages import (
    Cancel,
    CommandOutcome,
    Reply,
    ReplyWhen,
    Resolve,
    Reuse,
    Send,
    Start,
    Status,
    Terminate,
    decode_inbound,
    encode_message,
)
from runtime.routing import partition_of
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate


class Job(Workflow, timeout=500):
    def __init__(self) -> None:
        self.answers: list[str] = []
        self.over = False

    async def run(self, n: int) -> str:
        await self.until(lambda: self.over)
        return f"{n}: {' '.join(self.answers)}"

    @command
    def say(self, word: str) -> int:
        self.answers.append(word)
        return len(self.answers)

    @command
    async def wait(self, word: str) -> str:
        await self.until(lambda: word in self.answers)
        return word

    @command
    def end(self) -> None:
        self.over = True


APP = App(actors=[Job])


class Listening(MemoryBroker):
    """Keeps what was told to a caller that does not exist."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[CommandOutcome] = []

    def put(self, message: Message) -> bool:
        if b'"op":"command_outcome"' in message.body or b"Ghost" in message.body:
            content = decode_inbound(message.body)
            if isinstance(content, CommandOutcome):
                self.told.append(content)
        return super().put(message)


async def ask(client: Client, content: Any) -> Reply:
    return await client._asker.ask(content, 30.0)


async def called(client: Client, world: World, number: int, name: str, word: str) -> None:
    """Give a command as an actor would that does not live in this story."""
    caller = Caller("Job/ghost", number)
    message = Send(
        type="Job", id="1", name=name, command_id=caller.key, caller=caller, input=Raw(b'["%s"]' % word.encode())
    )
    key = str(partition_of("Job/1", 2))
    await client._asker.publisher.publish(Message(Destination.COMMANDS, key, encode_message(message)))
    await world.pass_time(2)


@pytest.mark.parametrize("ending", ["terminated", "timed out"])
@pytest.mark.parametrize("run", [1, 2])
def test_a_command_that_had_no_outcome_has_the_run_s(run: int, ending: str) -> None:
    """Who says it again hears how the run ended: a client, and another actor, who hears the same as the first time."""
    broker = Listening()

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            if run == 2:
                await client.terminate(Job, "1")
                await client.start(Job, "1", 1, reuse="restart")
            await client.submit(Job, "1", "wait", "x", command_id="c")
            await called(client, world, 7, "wait", "x")
            await called(client, world, 8, "say", "y")
            if ending == "terminated":
                await client.terminate(Job, "1", "enough")
            else:
                await world.pass_time(510)
            await world.until(lambda: len(broker.told) == 2)
            await client.start(Job, "1", 2, reuse="restart")
            node.die()
            world.node()
            for again in range(2):
                if again:
                    await client.call(Job, "1", "end")
                    await client.result(Job, "1")
                    await client.delete(Job, "1")
                with pytest.raises(CommandError) as refused:
                    await client.call(Job, "1", "wait", "x", command_id="c", timeout=60)
                assert type(refused.value) is (InstanceTerminated if ending == "terminated" else CommandError)
                for number, name, word in ((7, "wait", "x"), (8, "say", "y")):
                    await called(client, world, number, name, word)
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP, broker=broker, within=5000)
    told: dict[int, set[str]] = {7: set(), 8: set()}
    for outcome in broker.told:
        error = outcome.error
        told[outcome.number].add(bytes(outcome.result).decode() if error is None else error.type)  # type: ignore[arg-type]
    assert told == {7: {"AlreadyFinished"}, 8: {"1"}}
    assert len(broker.told) >= 6


def test_requests_to_the_former_run_do_not_hit_the_new_one() -> None:
    """Whose answer was lost, says it again: it gets its first answer, and ends, cancels and settles nothing."""

    async def story(world: World) -> None:
        node = world.node()
        request: Any
        settle = Resolve(type="Job", id="1", name="p", command_id="r", result=Raw(b"1"))
        cancel, terminate = Cancel(type="Job", id="1", command_id="c"), Terminate(type="Job", id="1", command_id="t")
        async with world.client() as client:
            await client.start(Job, "1", 1)
            for request in (settle, terminate):
                assert b"true" in bytes((await ask(client, request)).result)  # type: ignore[arg-type]
            await client.start(Job, "1", 2, reuse="restart", command_id="s2")
            await called(client, world, 1, "say", "x")
            assert b"true" in bytes((await ask(client, cancel)).result)  # type: ignore[arg-type]
            await world.until(lambda: types_of(world.store, "Job/1").count("RunCancelled") == 1)
            await client.start(Job, "1", 3, reuse="restart", command_id="s3")
            recorded = types_of(world.store, "Job/1")
            for _ in range(2):
                for request in (settle, terminate, cancel):
                    reply = await ask(client, request)
                    assert (reply.status, b"true" in bytes(reply.result)) == (Status.OK, True)  # type: ignore[arg-type]
                assert types_of(world.store, "Job/1") == recorded
                node.die()
                node = world.node()
            await client.resolve(Job, "1", "p", 2)
            await client.call(Job, "1", "end")
            assert await client.result(Job, "1") == "3: "
            for number in (4, 5):
                await client.start(Job, "1", number, reuse="restart")
                await client.terminate(Job, "1")
        await world.stop_all()
        audit_log(world.store, APP)

    simulate(story, APP)


def test_who_waits_for_the_new_run_is_not_told_the_former_one_s_end() -> None:
    """Also when both come in one go: the end, and the start that waits for the next one."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await node.stop()
            end = Send(type="Job", id="1", name="end", command_id="e", reply_when=ReplyWhen.ACCEPTED, input=Raw(b"[]"))
            again = Start(
                type="Job",
                id="1",
                command_id="s",
                reuse=Reuse.RESTART,
                reply_when=ReplyWhen.COMPLETED,
                input=Raw(b"[2]"),
            )
            asked = [asyncio.ensure_future(ask(client, content)) for content in (end, again)]
            await world.pass_time(0.01)
            world.node()
            assert (await asked[0]).status is Status.OK
            await world.until(lambda: types_of(world.store, "Job/1").count("RunStarted") == 2)
            await world.pass_time(5)
            assert not asked[1].done()
            await client.call(Job, "1", "end")
            assert (await asked[1]).result == Raw(b'"2: "')
        await world.stop_all()

    simulate(story, APP)


def test_what_the_log_refuses_for_ever_is_tried_with_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that can't write an instance's turn goes on with all others."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await client.call(Job, "1", "say", "x")
            commits, commit = [0], world.store.commit

            async def refuse(batch: Any) -> Any:
                answers = await commit([each for each in batch if each.stream != "Job/1"])
                commits[0] += sum(each.stream == "Job/1" for each in batch)
                return [DuplicateCommand("Job/1", "x") if b.stream == "Job/1" else answers.pop(0) for b in batch]

            monkeypatch.setattr(world.store, "commit", refuse)
            await client.send(Job, "1", "end")
            await world.pass_time(60)
            assert 40 < commits[0] < 80
            await client.start(Job, "2", 1)
            monkeypatch.setattr(world.store, "commit", commit)
            assert await client.result(Job, "1") == "1: x"
        await world.stop_all()

    simulate(story, APP)


def test_the_row_and_the_flow_are_those_of_the_last_start() -> None:
    """After a reload, too: when it was started, and the business flow that it belongs to."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Job, "1", 1, correlation_id="first")
            await client.terminate(Job, "1")
            await world.pass_time(100)
            await client.start(Job, "1", 2, reuse="restart", correlation_id="second")
            before = world.store.log.streams["Job/1"].execution
            node.die()
            world.node()
            await client.call(Job, "1", "end", timeout=60)
            await client.result(Job, "1")
            after = world.store.log.streams["Job/1"].execution
            assert before is not None
            assert after is not None
            assert (after.started_at, after.correlation_id) == (before.started_at, "second")
            assert world.store.log.streams["Job/1"].events[-1].correlation_id == "second"
        await world.stop_all()

    simulate(story, APP)


def test_a_repeated_request_that_comes_together_with_the_restart_does_not_hit_the_new_run() -> None:
    """The log was asked for both before the restart had left its marks."""

    async def story(world: World) -> None:
        node = world.node()
        cancel = Cancel(type="Job", id="1", command_id="c")
        again = Start(type="Job", id="1", command_id="s", reuse=Reuse.RESTART, input=Raw(b"[2]"))
        async with world.client() as client:
            await client.start(Job, "1", 1)
            await ask(client, cancel)
            await world.until(lambda: "RunCancelled" in types_of(world.store, "Job/1"))
            await node.stop()
            asked = [asyncio.ensure_future(ask(client, content)) for content in (again, cancel)]
            await world.pass_time(0.01)
            world.node()
            assert [(await reply).status for reply in asked] == [Status.OK, Status.OK]
            assert types_of(world.store, "Job/1") == ["RunStarted", "CancelRequested", "RunCancelled", "RunStarted"]
        await world.stop_all()

    simulate(story, APP)
