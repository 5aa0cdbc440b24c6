"""The publisher: each queue has its own order and its own patience."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from runtime.publisher import MAX_BATCH, MAX_LANES, Publisher
from runtime.transport.memory import MemoryBroker, MemoryTransport
from runtime.transport.port import Destination, Message, PublishUnknown, TransportError
from tests.waiting import wait_until


class Silent(MemoryTransport):
    """Confirms nothing for some keys until it is told to."""

    def __init__(self, *silent: str) -> None:
        super().__init__(MemoryBroker())
        self.silent, self.batches = set(silent), list[list[str]]()
        self.heard = asyncio.Event()

    async def publish(self, messages: Sequence[Message]) -> None:
        self.batches.append([f"{message.key}:{message.body.decode()}" for message in messages])
        if messages[0].key in self.silent:
            await self.heard.wait()
        await asyncio.sleep(0)


def _message(key: str, body: object) -> Message:
    return Message(Destination.COMMANDS, key, str(body).encode())


@asynccontextmanager
async def _running(publisher: Publisher) -> AsyncIterator[asyncio.Task[None]]:
    running = asyncio.create_task(publisher.run())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_a_queue_that_confirms_nothing_delays_no_other() -> None:
    """Its own messages wait, in order, while thousands of others go."""
    transport = Silent("0")
    publisher = Publisher(transport)
    async with _running(publisher):
        stuck = [asyncio.ensure_future(publisher.publish(_message("0", n))) for n in range(3)]
        for n in range(1, 1000):
            await publisher.publish(_message(str(n % 8 + 1), n))
        assert not any(waiting.done() for waiting in stuck)
        stuck += [asyncio.ensure_future(publisher.publish(_message("0", n))) for n in (3, 4)]
        transport.heard.set()
        await asyncio.gather(*stuck)
    assert [batch for batch in transport.batches if batch[0].startswith("0:")] == [
        ["0:0", "0:1", "0:2"],
        ["0:3", "0:4"],
    ]


async def test_what_comes_together_goes_together() -> None:
    """One batch a queue, of a bounded size, in order of arrival."""
    transport = Silent()
    publisher = Publisher(transport)
    async with _running(publisher):
        count = MAX_BATCH + 10
        await asyncio.gather(*(publisher.publish(_message(str(n % 2), n)) for n in range(2 * count)))
    for key in "01":
        mine = [batch for batch in transport.batches if batch[0].startswith(key)]
        assert [len(batch) for batch in mine] == [MAX_BATCH, 10]
        assert [sent for batch in mine for sent in batch] == [f"{key}:{n}" for n in range(int(key), 2 * count, 2)]


async def test_no_more_than_so_many_queues_at_once() -> None:
    """The others have their turn when one of those is done."""
    transport = Silent(*(str(n) for n in range(MAX_LANES)))
    publisher = Publisher(transport)
    async with _running(publisher):
        sent = [asyncio.ensure_future(publisher.publish(_message(str(n), n))) for n in range(MAX_LANES + 5)]
        await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(transport.batches) == MAX_LANES
        transport.heard.set()
        await asyncio.gather(*sent)
    assert len(transport.batches) == MAX_LANES + 5


async def test_stopping_settles_what_is_under_way_as_unknown() -> None:
    """Nobody waits for ever; what never left is published when it runs again."""
    transport = Silent("0")
    publisher = Publisher(transport)
    async with _running(publisher):
        under_way = asyncio.ensure_future(publisher.publish(_message("0", 1)))
        await wait_until(lambda: transport.batches)
        later = asyncio.ensure_future(publisher.publish(_message("0", 2)))
        await asyncio.sleep(0)
    with pytest.raises(TransportError, match="may or may not"):
        await under_way
    transport.heard.set()
    async with _running(publisher):
        await later
    assert transport.batches == [["0:1"], ["0:2"]]


async def test_an_error_belongs_to_its_own_queue() -> None:
    """The batches of other queues are none the worse."""

    class Refusing(Silent):
        async def publish(self, messages: Sequence[Message]) -> None:
            await super().publish(messages)
            if messages[0].key == "0":
                raise PublishUnknown("no confirm")

    publisher = Publisher(Refusing())
    async with _running(publisher):
        outcomes = await asyncio.gather(
            *(publisher.publish(_message(str(n % 2), n)) for n in range(6)), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [PublishUnknown, type(None)] * 3
