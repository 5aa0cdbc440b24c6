"""MESSAGES.md, said with nothing but an AMQP client: what is published to a real broker gets its documented reply."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

from eventstore.postgres import PostgresStore
from tests.integration.messages.bare_client import COMMANDS, INGRESS, BareClient, Body, Unroutable
from tests.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUTES = pytest.mark.parametrize("exchange", [COMMANDS, INGRESS], ids=["by partition", "by ingress"])
LIMIT = 2 * 1024 * 1024


def message(op: str, type: str, id: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"op": op, "type": type, "id": id or uuid.uuid4().hex, **fields}


def start(id: str | None = None, name: str = "Ada", **fields: Any) -> dict[str, Any]:
    return message("start", "Greeting", id, input={"name": name}, **fields)


def sign(id: str, command_id: str, by: str = "Bob") -> dict[str, Any]:
    return message("command", "Greeting", id, name="sign", command_id=command_id, input={"by": by})


def add(id: str, command_id: str, n: int = 4, **fields: Any) -> dict[str, Any]:
    return message("command", "Counter", id, name="add", command_id=command_id, input={"n": n}, **fields)


async def ask(client: BareClient, body: Body, exchange: str = COMMANDS, **options: Any) -> dict[str, Any]:
    return await asyncio.to_thread(client.ask, body, exchange, **options)


def error_of(reply: dict[str, Any]) -> tuple[str, str]:
    return reply["status"], reply["error"]["type"]


@ROUTES
async def test_whole_life_of_a_workflow(client: BareClient, exchange: str) -> None:
    """Start, query, command and result, each answered."""
    id = uuid.uuid4().hex
    assert await ask(client, start(id, command_id="s"), exchange) == {"status": "ok", "result": {"created": True}}
    assert await ask(client, message("query", "Greeting", id, name="signed_by"), exchange) == {
        "status": "ok",
        "result": None,
    }
    assert await ask(client, sign(id, "c"), exchange) == {"status": "ok", "result": "signed by Bob"}
    assert await ask(client, message("result", "Greeting", id), exchange) == {
        "status": "ok",
        "result": "hello Ada, Bob",
    }


@ROUTES
async def test_actor_command(client: BareClient, exchange: str) -> None:
    """An actor needs no start: its first command makes it."""
    assert await ask(client, add(uuid.uuid4().hex, "1"), exchange) == {"status": "ok", "result": 4}


@ROUTES
async def test_direct_reply_to(client: BareClient, exchange: str) -> None:
    """RabbitMQ's own reply address works: no reply queue has to be made."""
    query = message("query", "Counter", "untouched", name="total")
    assert await asyncio.to_thread(client.ask_directly, query, exchange) == {"status": "ok", "result": 0}


async def test_wrong_partition(client: BareClient) -> None:
    """A message in another partition's queue is sent on to the right one."""
    body = start()
    wrong = str((client.partition("Greeting", body["id"]) + 1) % 4)
    assert await ask(client, body, key=wrong) == {"status": "ok", "result": {"created": True}}


async def test_no_such_partition(client: BareClient) -> None:
    """A mandatory publish to a partition that does not exist comes back to the publisher."""
    with pytest.raises(Unroutable):
        await ask(client, start(), key="4")


async def test_without_reply_address(client: BareClient) -> None:
    """A command that wants no answer is handled all the same."""
    id = uuid.uuid4().hex
    await asyncio.to_thread(client.publish, add(id, "1"), COMMANDS)
    assert (await ask(client, message("query", "Counter", id, name="total")))["result"] == 4


async def test_start_that_waits_for_the_end(client: BareClient) -> None:
    """`reply_when: completed` gives a declared failure with its details."""
    assert await ask(client, start(name="nobody", reply_when="completed")) == {
        "status": "failed",
        "error": {"type": "Rejected", "message": "nobody is there", "details": {"name": "nobody"}},
    }


async def test_start_again(client: BareClient) -> None:
    """The id is the idempotency key of a start; the same command id hears `created` again."""
    first = start(command_id="s1")
    answers = [(await ask(client, body))["result"] for body in (first, first, {**first, "command_id": "s2"})]
    assert answers == [{"created": True}, {"created": True}, {"created": False}]
    assert error_of(await ask(client, start(first["id"], name="Eve"))) == ("conflict", "Conflict")


async def test_command_again(client: BareClient) -> None:
    """A command id is handled once; spacing and order of the JSON make no difference, other input does."""
    id = uuid.uuid4().hex
    body = add(id, "1")
    spaced = f'{{ "input":{{ "n" : 4 }}, "name":"add","command_id":"1","id":"{id}","type":"Counter","op":"command"}}'
    key = str(client.partition("Counter", id))
    assert [(await ask(client, again, key=key))["result"] for again in (body, body, spaced.encode())] == [4, 4, 4]
    assert error_of(await ask(client, add(id, "1", n=5))) == ("conflict", "Conflict")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (message("start", "Nobody"), ("invalid", "UnknownName")),
        (message("command", "Counter", name="nothing", command_id="1"), ("invalid", "UnknownName")),
        (message("query", "Counter", name="nothing"), ("invalid", "UnknownName")),
        (message("command", "Counter", name="add", command_id="1"), ("invalid", "InvalidArguments")),
        (add("a", "of a string") | {"input": {"n": "4"}}, ("invalid", "InvalidArguments")),
        (add("a", "with more") | {"input": {"n": 4, "m": 4}}, ("invalid", "InvalidArguments")),
        (message("command", "Counter", name="add", input={"n": 4}), ("invalid", "PayloadRefused")),
        (message("destroy", "Counter"), ("invalid", "PayloadRefused")),
        (add("a/b", "1"), ("invalid", "InvalidId")),
        (add("a" * 181, "1"), ("invalid", "InvalidId")),
        (add("a", "line\nbreak"), ("invalid", "InvalidInput")),
        (add("a", "1" * 201), ("invalid", "InvalidInput")),
        (message("start", "Counter"), ("invalid", "InvalidInput")),
        (sign("unheard-of", "1"), ("not_found", "NotFound")),
        (message("result", "Greeting", "unheard-of"), ("not_found", "NotFound")),
        (add("a", "old", sent_at="2020-01-01T00:00:00Z"), ("too_old", "CommandTooOld")),
    ],
)
@ROUTES
async def test_refused(client: BareClient, exchange: str, body: Body, expected: tuple[str, str]) -> None:
    """What does not fit gets one answer that says why."""
    assert error_of(await ask(client, body, exchange)) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"{not json",
        b"[1, 2, 3]",
        b"",
        b'{"op": "query", "type": "Counter", "id": "\xff", "name": "total"}',
        b'{"op": "start", "type": "Greeting", "id": "a", "input": {"name": NaN}}',
        b'{"op": "start", "type": "Greeting", "id": "a", "input": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"op": "start", "type": "Greeting", "id": "a", "input": {"name": "' + b"x" * LIMIT + b'"}}',
    ],
    ids=["no JSON", "no object", "empty", "no UTF-8", "NaN", "too deep", "too large"],
)
@pytest.mark.parametrize(("exchange", "key"), [(COMMANDS, "0"), (INGRESS, "any")], ids=["by partition", "by ingress"])
async def test_malformed(client: BareClient, exchange: str, key: str, body: bytes) -> None:
    """What can't be read is answered, too, and what follows is handled."""
    assert error_of(await ask(client, body, exchange, key=key)) == ("invalid", "PayloadRefused")
    assert (await ask(client, message("query", "Counter", "after", name="total"), exchange))["status"] == "ok"


@pytest.mark.parametrize(("exchange", "key"), [(COMMANDS, "1"), (INGRESS, "any")], ids=["by partition", "by ingress"])
async def test_malformed_with_nobody_to_tell(client: BareClient, store: PostgresStore, exchange: str, key: str) -> None:
    """Without a reply address a message that can't be read is kept in quarantine, with the reason."""
    body = b"no JSON " + uuid.uuid4().hex.encode()
    await asyncio.to_thread(client.publish, body, exchange, key=key)

    async def kept() -> str | None:
        return next((one.reason for one in await store.quarantined() if one.body == body), None)

    assert "malformed" in await wait_until(kept)


async def test_failures_of_a_handler(client: BareClient) -> None:
    """A declared failure is `failed`; an actor's handler that keeps crashing puts the message into quarantine."""
    id = uuid.uuid4().hex
    assert (await ask(client, start(id)))["status"] == "ok"
    assert (await ask(client, sign(id, "1")))["status"] == "ok"
    assert (await ask(client, add("crashing", uuid.uuid4().hex, n=13)))["status"] == "quarantined"
    assert error_of(await ask(client, sign(id, "2"))) == ("finished", "AlreadyFinished")


async def test_bug_in_a_workflow(client: BareClient) -> None:
    """A workflow whose code has a bug is stuck, and says so to commands and queries."""
    id = uuid.uuid4().hex
    assert (await ask(client, start(id)))["status"] == "ok"
    assert error_of(await ask(client, sign(id, "1", by="a bug"))) == ("stuck", "InstanceStuck")
    assert (await ask(client, message("query", "Greeting", id, name="signed_by")))["status"] == "stuck"


async def test_foreign_properties(client: BareClient) -> None:
    """Headers and fields that mean nothing to us do no harm."""
    body = message("query", "Counter", "any", name="total", from_the_future=True)
    assert (await ask(client, body, headers={"x-trace": {"deep": [1, None, "é"]}}))["status"] == "ok"


async def test_refused_with_nobody_to_tell(client: BareClient, store: PostgresStore) -> None:
    """A command that can't be taken and has no reply address is kept in quarantine: it was accepted."""
    body = sign(uuid.uuid4().hex, "1")
    await asyncio.to_thread(client.publish, body, COMMANDS)

    async def kept() -> str | None:
        return next((one.reason for one in await store.quarantined() if body["id"].encode() in one.body), None)

    assert "NotFound" in await wait_until(kept)


@pytest.mark.parametrize("body", [b"1", b"[]", b"{ }"])
async def test_tiny_body(client: BareClient, body: bytes) -> None:
    """The shortest bodies are answered at once, and not with the next frame that happens to come."""
    async with asyncio.timeout(3):
        assert error_of(await ask(client, body, key="0")) == ("invalid", "PayloadRefused")
