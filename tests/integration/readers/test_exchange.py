"""Every event on the topic exchange: at least once, with a stable id, in order of its partition."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aio_pika
import pytest

from actors import App, Workflow
from runtime import ConfigurationError, Settings, connect, migrate, run_node
from runtime.readers.event_publisher import EventPublisher
from runtime.transport.exchange import Announcement
from runtime.transport.port import PublishUnknown
from runtime.transport.rabbitmq_exchange import RabbitMQEventExchange
from tests.integration.readers.conftest import Shelves
from tests.waiting import wait_until

Fresh = Callable[[], Awaitable[str]]


class Listener:
    """A consumer outside, with a queue of its own."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []  # routing key, message id, body

    def ids(self) -> list[str]:
        return [id for _, id, _ in self.heard]

    async def until(self, ids: set[str]) -> None:
        await wait_until(lambda: set(self.ids()) >= ids, seconds=20, what=f"{ids}")


@asynccontextmanager
async def listening(url: str, *patterns: str) -> AsyncIterator[Listener]:
    listener = Listener()

    async def hear(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        listener.heard.append((message.routing_key or "", message.message_id or "", json.loads(message.body)))

    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange("perdure.events", "topic", durable=True)
        queue = await channel.declare_queue(exclusive=True)
        for pattern in patterns:
            await queue.bind(exchange, pattern)
        await queue.consume(hear, no_ack=True)
        yield listener


def places(listener: Listener) -> list[tuple[int, int]]:
    return [(body["partition"], body["offset"]) for _, _, body in listener.heard]


async def test_events_reach_the_topic_exchange(shelves: Shelves, fresh_vhost: Fresh) -> None:
    """Those that are there and those that come, each once while nothing fails, in order; a pattern chooses."""
    url = await fresh_vhost()
    await shelves.add("a", 1, 2, 3)
    exchange = RabbitMQEventExchange(url)
    async with listening(url, "#") as everything, listening(url, "*.Emptied") as some:
        async with shelves.running(EventPublisher(shelves.store, shelves.database, exchange, limit=2)):
            await shelves.add("b", 5)
            await shelves.add("a", 0, type="Emptied", data=b"{}")
            expected = {"Shelf/a@1", "Shelf/a@2", "Shelf/a@3", "Shelf/a@4", "Shelf/b@1"}
            await everything.until(expected)
            await some.until({"Shelf/a@4"})
        assert sorted(everything.ids()) == sorted(expected)
        assert [place for place in places(everything) if place[0] == 1] == [(1, 1), (1, 2), (1, 3), (1, 4)]
        [(key, id, body)] = some.heard
        assert (key, id, body["stream"], body["version"], body["data"]) == (
            "Shelf.Emptied",
            "Shelf/a@4",
            "Shelf/a",
            4,
            {},
        )
        assert all(body["id"] == id for _, id, body in everything.heard)
    await exchange.close()


async def test_it_goes_on_where_it_was(shelves: Shelves, fresh_vhost: Fresh) -> None:
    """Another process publishes what the first one did not, and nothing of what it did."""
    url = await fresh_vhost()
    first, second = RabbitMQEventExchange(url), RabbitMQEventExchange(url)
    async with listening(url, "#") as listener:
        await shelves.add("a", 1, 2)
        async with shelves.running(EventPublisher(shelves.store, shelves.database, first)):
            await listener.until({"Shelf/a@2"})
        await shelves.add("a", 3)
        async with shelves.running(EventPublisher(shelves.store, shelves.database, second)):
            await listener.until({"Shelf/a@3"})
        assert listener.ids() == ["Shelf/a@1", "Shelf/a@2", "Shelf/a@3"]
    await first.close()
    await second.close()


async def test_only_what_comes(shelves: Shelves, fresh_vhost: Fresh) -> None:
    """A log with a past need not be published whole; that is decided once, at the first time."""
    url = await fresh_vhost()
    exchange = RabbitMQEventExchange(url)
    await shelves.add("a", 1, 2)
    async with listening(url, "#") as listener:
        for n in (3, 4):
            async with shelves.running(EventPublisher(shelves.store, shelves.database, exchange, from_now=True)):
                await wait_until(lambda: shelves.sql("SELECT FROM perdure.checkpoints WHERE owner <> ''"))
                await shelves.add("a", n)
                await listener.until({f"Shelf/a@{n}"})
        assert listener.ids() == ["Shelf/a@3", "Shelf/a@4"]
    await exchange.close()


async def test_a_lost_connection_repeats_and_loses_nothing(shelves: Shelves, fresh_vhost: Fresh) -> None:
    """The publisher connects anew; order within the partition starts again at most from an earlier event."""
    url = await fresh_vhost()
    exchange = RabbitMQEventExchange(url)
    publisher = EventPublisher(shelves.store, shelves.database, exchange, limit=3, jitter=lambda: -0.99)
    async with listening(url, "#") as listener, shelves.running(publisher):
        for n in range(5):
            await shelves.add("a", *range(10))
            await listener.until({f"Shelf/a@{n * 10 + 1}"})
            assert exchange._connection is not None
            await exchange._connection.close()
        await listener.until({f"Shelf/a@{n}" for n in range(1, 51)})
    versions = [int(id.partition("@")[2]) for id in listener.ids()]
    assert all(after <= before + 1 for before, after in pairwise(versions)), "nothing is skipped"
    await exchange.close()


class Forgetful:
    """An exchange whose confirms are lost now and then, after everything or half of it is out."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.calls = 0

    async def publish(self, announcements: Sequence[Announcement]) -> None:
        self.calls += 1
        ids = [announcement.id for announcement in announcements]
        if self.calls % 3 == 1:
            self.out += ids[: len(ids) // 2]
            raise PublishUnknown("no confirm")
        self.out += ids
        if self.calls % 3 == 2:
            raise PublishUnknown("no confirm")

    async def close(self) -> None: ...


async def test_confirms_that_do_not_come(shelves: Shelves) -> None:
    """The batch is published again with the same ids, until it is confirmed; the next one waits for that."""
    exchange = Forgetful()
    await shelves.add("a", *range(20))
    async with shelves.running(
        EventPublisher(shelves.store, shelves.database, exchange, limit=4, jitter=lambda: -0.99)
    ):
        await wait_until(lambda: shelves.sql("SELECT FROM perdure.checkpoints WHERE position = 20"))
    versions = [int(id.partition("@")[2]) for id in exchange.out]
    assert sorted(set(versions)) == list(range(1, 21))
    assert all(after <= before + 1 for before, after in pairwise(versions))


class Mended:
    is_mended = False


class Fragile(Workflow):
    async def run(self) -> str:
        if not Mended.is_mended:
            raise KeyError("a mistake")
        return "done"


async def test_stuck_and_resumed_instances_are_announced_on_the_broker(
    fresh_database: Fresh, fresh_vhost: Fresh
) -> None:
    """A node with `publish_events` tells of a mistake in the code, and that it was mended."""
    Mended.is_mended = False
    app = App(actors=[Fragile])
    settings = Settings(
        database_url=await fresh_database(), broker_url=await fresh_vhost(), partitions=2, publish_events="all"
    )
    await migrate(settings)
    stop = asyncio.Event()
    assert settings.broker_url is not None
    async with listening(settings.broker_url, "*.Stuck", "*.Resumed") as listener, asyncio.TaskGroup() as group:
        group.create_task(run_node(app, settings, stop))
        try:
            async with connect(settings) as client:
                await client.start(Fragile, "1", timeout=30)
                await wait_until(lambda: listener.heard, seconds=20, what="an announcement")
                [(key, id, body)] = listener.heard
                assert (key, id) == ("Fragile.Stuck", "Fragile/1@2")
                assert "a mistake" in json.dumps(body["data"])
                Mended.is_mended = True
                assert await client.result(Fragile, "1", timeout=30) == "done"
                await wait_until(lambda: len(listener.heard) == 2, seconds=20)
                assert listener.heard[1][0] == "Fragile.Resumed"
        finally:
            stop.set()


async def test_without_rabbitmq_it_says_what_it_needs(fresh_database: Fresh) -> None:
    """Where Postgres carries the messages there is no exchange; the error names what to use instead."""
    settings = Settings(database_url=await fresh_database(), publish_events="all")
    with pytest.raises(ConfigurationError, match="PERDURE_PUBLISH_EVENTS needs RabbitMQ: set PERDURE_BROKER_URL"):
        await run_node(App(), settings, asyncio.Event())
    with pytest.raises(ConfigurationError, match="must be off, new or all, it is 'yes'"):
        Settings(database_url="postgresql://x/y", publish_events="yes")


async def test_an_exchange_of_another_type(shelves: Shelves, fresh_vhost: Fresh) -> None:
    """Somebody made it with other properties: that is said, and nothing is published."""
    url = await fresh_vhost()
    async with await aio_pika.connect(url) as connection:
        await (await connection.channel()).declare_exchange("perdure.events", "fanout")
    exchange = RabbitMQEventExchange(url)
    await shelves.add("a", 1)
    async with shelves.running(EventPublisher(shelves.store, shelves.database, exchange)):
        assert "exists, but not as a durable topic exchange" in await shelves.trouble("perdure.events")
    await exchange.close()
