from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import InvalidInput
from eventstore import Quarantined
from runtime import Client
from runtime.hosting import activation, forks
from runtime.hosting.delayed import mark_id
from runtime.messages import (
    Ask,
    AwaitResult,
    Cancel,
    CancelCommand,
    ChildOutcome,
    CommandOutcome,
    Correct,
    Delete,
    Fork,
    Reply,
    ReplyWhen,
    Resolve,
    Send,
    Start,
    Status,
    TaskOutcome,
    TaskWanted,
    Terminate,
    decode_inbound,
    decode_reply,
    encode_message,
)
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.fuzz.effort import effort
from tests.fuzz.mutation import mutated
from tests.fuzz.office import ACTORS, RUN, RUNS, bodies, office
from tests.simulation.audit import audit_log
from tests.simulation.world import World, simulate

BATCH, BATCHES = 60, 3


class Post:
    """A publisher that writes anything, and remembers what it wrote and what was answered."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asked: dict[str, bytes] = {}
        self.told: dict[str, Reply] = {}
        self.silent: list[bytes] = []
        self._pass_on = client._asker.answered
        client._asker.answered = self._answered  # type: ignore[method-assign]  # the tap of a test

    async def publish(self, destination: Destination, key: str, body: bytes, *, answer: bool) -> None:
        correlation_id = f"fuzz-{len(self.asked)}" if answer else None
        if correlation_id is not None:
            self.asked[correlation_id] = body
        else:
            self.silent.append(body)
        message = Message(destination, key, body, self.client._asker.address if answer else None, correlation_id)
        await self.client._asker.publisher.publish(message)

    def _answered(self, correlation_id: str | None, body: bytes) -> None:
        if correlation_id in self.asked:
            self.told[correlation_id] = decode_reply(body)
        else:
            self._pass_on(correlation_id, body)


@pytest.fixture
def surprises(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the runtime itself got wrong: it would be logged as an exception."""
    seen: list[str] = []

    class Ear:
        def exception(self, event: str, **fields: Any) -> None:
            import traceback

            seen.append(f"{event} {fields} {traceback.format_exc()}")

        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: None

    monkeypatch.setattr(activation, "log", Ear())
    monkeypatch.setattr(forks, "log", Ear())
    return seen


@effort(20)
@given(st.integers(0, 2**32))
def test_node_outlives_whatever_it_is_sent(surprises: list[str], seed: int) -> None:
    """Mutated messages of every kind: each is answered, kept or put aside, and every partition goes on."""
    surprises.clear()

    async def story(world: World) -> None:
        chance = random.Random(seed)
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            await _settle_in(client)
            post = Post(client)
            for _ in range(BATCHES):
                await _batch(world, post, chance)
                await _healthy(world, client)
            await world.until(lambda: not _in_hand(world), what="every message acked")
            await world.pass_time(1)
        await _accounted(world, post)
        await node.stop()
        unreplayable = {"stuck", "terminated"}  # who was terminated may have been stuck before
        if not any(s.execution and s.execution.status in unreplayable for s in world.store.log.streams.values()):
            audit_log(world.store, world.app)  # a result of another type sticks its instance, and can't be replayed

    simulate(story, office(), within=900)
    assert surprises == []


async def _settle_in(client: Client) -> None:
    for id in ACTORS:
        await client.call("Clerk", id, "file", sheet={"line": {"sku": "x", "count": 1}}, command_id="held")
    for id in RUNS:
        await client.start("Errand", id, input=_value(RUN))
        await client.call("Errand", id, "step", by=0, command_id="held")


async def _batch(world: World, post: Post, chance: random.Random) -> None:
    valid = bodies()
    for _ in range(BATCH):
        body = mutated(valid, chance.getrandbits(60))
        answer = chance.random() < 0.6
        if chance.random() < 0.15:
            await post.publish(Destination.INGRESS, "any.thing", body, answer=answer)
        else:
            await post.publish(Destination.COMMANDS, str(_somewhere(world, body, chance)), body, answer=answer)


def _somewhere(world: World, body: bytes, chance: random.Random) -> int:
    try:
        if chance.random() < 0.9:
            return partition_of(decode_inbound(body).stream, world.store.partitions)
    except (InvalidInput, UnicodeEncodeError):
        pass
    return chance.randrange(world.store.partitions)


async def _healthy(world: World, client: Client) -> None:
    for id in ACTORS:
        assert await client.query("Clerk", id, "sheets", timeout=60) >= 1
    assert {partition_of(f"Clerk/{id}", world.store.partitions) for id in ACTORS} == {0, 1}


def _in_hand(world: World) -> int:
    queues = [queue for name, queue in world.broker._queues.items() if "task" not in name and "reply" not in name]
    held = [s for process in world.processes for s in process.transport._subscriptions]
    return sum(len(queue.ready) for queue in queues) + sum(len(subscription._unacked) for subscription in held)


async def _accounted(world: World, post: Post) -> None:
    aside = {_same(row.body) for row in _quarantined(world)}
    for correlation_id, body in post.asked.items():
        reply = post.told.get(correlation_id)
        if reply is None:
            assert _may_wait(body) or _same(body) in aside, f"no answer to {body!r}"
        else:
            assert (reply.status is Status.OK) == (reply.error is None), reply
            assert reply.status is not Status.QUARANTINED or b"13" in body, (reply, body)
    for body in post.silent:
        assert _same(body) in aside or _left_a_trace(world, body), f"vanished: {body!r}"


def _same(body: bytes) -> bytes:
    """Give the form in which a message is sent on from the ingress or a wrong partition."""
    try:
        return encode_message(decode_inbound(body))
    except InvalidInput:
        return body


def _may_wait(body: bytes) -> bool:
    """Say whether no answer, or none yet, is right."""
    message = decode_inbound(body)
    match message:
        case TaskOutcome() | ChildOutcome() | CommandOutcome() | AwaitResult() | Cancel() | Terminate():
            return True
        case Resolve() | Correct() | TaskWanted():
            return True
        case Delete() | CancelCommand():
            return False
        case Start():
            return message.caller is not None or message.reply_when is ReplyWhen.COMPLETED
        case Send():
            return message.caller is not None or message.type == "Errand"
        case Ask() | Fork():
            return False


def _left_a_trace(world: World, body: bytes) -> bool:
    try:
        message = decode_inbound(body)
    except InvalidInput:
        return False
    stream = world.store.log.streams.get(message.stream)
    match message:
        case Start() | Send() if message.caller is not None:
            return True  # its parent, or its caller, keeps it
        case Start() | Fork():
            return stream is not None and bool(stream.events)
        case Send() if stream is not None:
            marked = message.command_id in stream.inbox or mark_id(message.command_id) in stream.inbox
            return marked or any(event.causation_id == message.command_id for event in stream.events)
        case Send():
            return False
        case Delete():
            return True  # one that nobody is told of leaves none
        case (
            TaskOutcome()
            | ChildOutcome()
            | CommandOutcome()
            | Ask()
            | AwaitResult()
            | Cancel()
            | CancelCommand()
            | Terminate()
            | TaskWanted()
            | Resolve()
            | Correct()
        ):
            return True


def _quarantined(world: World) -> Iterable[Quarantined]:
    return [row for partition in world.store.log.partitions for row in partition.quarantine.values()]


def _value(raw: Any) -> Any:
    import msgspec

    return msgspec.json.decode(raw)
