"""JSON that a decoder may skip over and nobody can read: found by fuzzing, each one a stuck partition once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from actors import DefinitionError, InvalidArguments, PayloadRefused, task
from actors.signature import Signature
from runtime import Client
from runtime.messages import Reply, Status, decode_inbound, decode_reply
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.fuzz.office import RUN, office
from tests.simulation.world import World, simulate

SHEET = b'{"line":{"sku":"x","count":1,"junk":%s}}'
UNREADABLE = [b"1e999", b'"\xff"', b'"\\ud800"', b"1" * 5000]


async def _ask(client: Client, world: World, body: bytes) -> Reply:
    partition = partition_of("Clerk/a" if b"Clerk" in body else "Errand/r", world.store.partitions)
    address, inbox = await client._transport.reply_inbox()
    await client._transport.publish([Message(Destination.COMMANDS, str(partition), body, address, "raw")])
    async with asyncio.timeout(30):
        (delivery,) = await inbox.receive()
    await inbox.close()
    return decode_reply(delivery.body)


def _command(id: str, name: str, command_id: str, input: bytes) -> bytes:
    type = "Clerk" if name == "file" else "Errand"
    head = f'{{"op":"command","type":"{type}","id":"{id}","name":"{name}","command_id":"{command_id}","input":'
    return head.encode() + input + b"}"


@pytest.mark.parametrize("junk", UNREADABLE)
def test_unreadable_value_in_an_ignored_field_is_refused_and_the_node_lives(junk: bytes) -> None:
    """A struct skips fields that it does not know; the command's fingerprint can't, and used to end the node."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            bad = _command("a", "file", "x", b'{"sheet":' + SHEET % junk + b"}")
            assert (await _ask(client, world, bad)).status is Status.INVALID
            assert await client.query("Clerk", "a", "sheets") == 0
        await node.stop()

    simulate(story, office())


@pytest.mark.parametrize("junk", UNREADABLE)
def test_unreadable_repetition_is_invalid_and_not_a_crash(junk: bytes) -> None:
    """A known command id with input that can't be compared is refused, as `MESSAGES.md` says of what is malformed."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            await client.start("Errand", "r", number=1)
            await client.call("Errand", "r", "step", by=1, command_id="held")
            again = await _ask(client, world, _command("r", "step", "held", b"[" + junk + b"]"))
            start = b'{"op":"start","type":"Errand","id":"r","input":[' + junk + b"]}"
            assert [again.status, (await _ask(client, world, start)).status] == [Status.INVALID, Status.INVALID]
        await node.stop()

    simulate(story, office())


@pytest.mark.parametrize("junk", UNREADABLE)
@pytest.mark.parametrize("field", [b'"result":%s', b'"error":{"type":"E","message":"m","details":%s}'])
def test_outcome_that_cannot_be_read_is_not_stored(junk: bytes, field: bytes) -> None:
    """What went into a journal has to come out of it again."""
    with pytest.raises(PayloadRefused):
        decode_inbound(b'{"op":"outcome","type":"Errand","id":"r","task":1,"attempt":1,' + field % junk + b"}")


def test_unhashable_element_of_a_set_is_a_wrong_argument() -> None:
    """Msgspec says so with a bare TypeError."""

    def tags(all: set[Any]) -> None: ...

    for wrong in (b'{"all":[[]]}', b"[[{}]]"):
        with pytest.raises(InvalidArguments):
            Signature(tags, "tags", skip_first=False).decode(Raw(wrong))


def test_retry_of_a_wrong_type_is_refused_where_it_is_written() -> None:
    """Else the first failure of the task could not be handled."""
    with pytest.raises(DefinitionError, match="expected a Retry"):
        task(retry=3)(_nothing)  # type: ignore[call-overload]  # what is tested


async def _nothing() -> None: ...


def test_readable_payloads_pass() -> None:
    """The fuzz tier's own messages are valid."""
    assert decode_inbound(b'{"op":"start","type":"Errand","id":"r","input":' + bytes(RUN) + b"}").id == "r"
