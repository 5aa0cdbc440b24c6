from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import ActorsError, RunFailed
from runtime import Client, PerdureError
from runtime.messages import Reply
from runtime.transport.memory import MemoryBroker
from runtime.transport.port import Destination, Message
from tests.fuzz.effort import effort
from tests.fuzz.mutation import mutated
from tests.fuzz.office import ACTORS, Clerk, Errand, office, replies
from tests.simulation.world import World, simulate

TYPED = (PerdureError, ActorsError, RunFailed)

texts = st.sampled_from(["a", "", " ", "a/b", "\0", "\ud800", "x" * 300, "é" * 100, "a\nb", "run", "held"]) | st.text()
values: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(
        [None, True, 1, -1, 2**70, 10**400, float("nan"), float("inf"), 1.5, "x", "\ud800", b"\xff", object(), ...]
    )
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=6,
)
calls = st.fixed_dictionaries(
    {
        "verb": st.sampled_from(["start", "execute", "send", "call", "query", "result"]),
        "type": st.sampled_from([Clerk, Errand, "Clerk", "Errand", "Nobody", "", "a/b", "\ud800", "x" * 99]),
        "id": texts,
        "name": st.sampled_from(["file", "step", "sheets", "walked"]) | texts,
        "args": st.lists(values, max_size=2),
        "input": st.none() | values,
        "kwargs": st.dictionaries(st.sampled_from(["number", "by", "sheet", "extra"]), values, max_size=2),
        "command_id": st.none() | texts,
        "correlation_id": st.none() | texts,
    }
)


async def _make(client: Client, call: dict[str, Any]) -> None:
    verb, kwargs = call["verb"], {"timeout": 2.0}
    if verb != "result":
        kwargs |= {"input": call["input"]} | call["kwargs"]
    if verb not in {"result", "query"}:
        kwargs |= {"command_id": call["command_id"], "correlation_id": call["correlation_id"]}
    names = [call["name"]] if verb in {"send", "call", "query"} else []
    args = [] if verb == "result" else call["args"]
    await getattr(client, verb)(call["type"], call["id"], *names, *args, **kwargs)


@effort(20)
@given(st.lists(calls, min_size=10, max_size=20))
def test_hostile_arguments_raise_typed_errors(made: list[dict[str, Any]]) -> None:
    """Whatever a caller passes: a right answer or an error of ours, and the client and the node go on."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            for call in made:
                try:
                    await _make(client, call)
                except TYPED:
                    continue
            assert client._asker.waiting == {}
            for id in ACTORS:
                assert await client.query("Clerk", id, "sheets") >= 0
        await node.stop()

    simulate(story, office())


def _asked(client: Client, asking: asyncio.Future[None]) -> bool:
    return bool(client._asker.waiting) or asking.done()


@effort(40)
@given(st.integers(0, 2**48))
def test_hostile_answers_raise_typed_errors(seed: int) -> None:
    """A damaged answer is an error of ours for its caller; the client goes on with the next one."""

    async def story(world: World) -> None:
        chance = random.Random(seed)
        broker: MemoryBroker = world.broker
        from runtime.transport.port import Topology

        async with world.client() as client:
            await client._transport.declare(Topology(world.store.partitions, frozenset()))
            for verb in ("start", "execute", "call", "query", "result") * 3:
                call = {
                    "verb": verb,
                    "type": chance.choice([Errand, "Errand"]),
                    "id": "r",
                    "args": [],
                    "input": {"number": 1},
                }
                names = {"query": "walked", "call": "step"}
                call |= {"name": names.get(verb, ""), "kwargs": {}, "command_id": None, "correlation_id": None}
                if verb == "query":
                    call["input"] = {}
                if verb == "call":
                    call["input"] = {"by": 1}
                asking = asyncio.ensure_future(_make(client, call))
                await world.until(partial(_asked, client, asking))
                for correlation_id in list(client._asker.waiting):
                    body = mutated(replies(), chance.getrandbits(48))
                    broker.put(Message(Destination.REPLIES, client._asker.address, body, correlation_id=correlation_id))
                    broker.put(Message(Destination.REPLIES, client._asker.address, body, correlation_id="\ud800"))
                try:
                    await asking
                except TYPED:
                    continue
            assert client._asker.waiting == {}

    simulate(story, office())


@pytest.mark.parametrize("result", [b"5", b"null", b"[]", b"{}", b'"x"'])
def test_start_answered_with_something_else_is_a_typed_error(result: bytes) -> None:
    """An answer that says `ok` and not what was created came from no node."""
    from msgspec import Raw

    from actors import PayloadRefused
    from runtime.client.answers import decode_created, result_of
    from runtime.messages import Status

    with pytest.raises(PayloadRefused):
        decode_created(result_of(Reply(Status.OK, Raw(result))))
