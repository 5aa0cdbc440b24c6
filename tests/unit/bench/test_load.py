"""Requests in lanes and at a fixed rate, against a client that answers from memory."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from runtime.bench.jobs import Closed, Operation, Paced, Request
from runtime.bench.load import Tally, perform
from runtime.client import Client


class Answering:
    """Counts what is asked at once, and answers in the next turn of the loop."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.at_once = self.most_at_once = 0

    async def call(self, _: object, id: str, *__: Any) -> None:
        self.ids.append(id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1

    async def execute(self, *_: Any) -> None:
        raise ConnectionError("the broker is gone")


def request(operation: Operation = Operation.CALL, keys: int | None = None) -> Request:
    return Request(operation=operation, type="Counter", prefix="c-", name="add", arguments=[1], keys=keys)


async def test_so_many_requests_and_no_more() -> None:
    """Each number is asked once, and no more than the lanes at once."""
    client = Answering()
    done = await perform(cast("Client", client), Closed(request=request(), lanes=4, count=10), Tally())
    assert sorted(client.ids) == sorted(f"c-{number}" for number in range(10))
    assert (done.count, len(done.latencies), client.most_at_once) == (10, 10, 4)


async def test_keys_go_round() -> None:
    """With three keys the fourth request is the first key's again."""
    client = Answering()
    await perform(cast("Client", client), Closed(request=request(keys=3), lanes=1, count=7), Tally())
    assert client.ids == ["c-0", "c-1", "c-2", "c-0", "c-1", "c-2", "c-0"]


async def test_the_time_ends_it() -> None:
    """Without a count the time is the bound; with no time at all nothing is asked."""
    client = Answering()
    assert (await perform(cast("Client", client), Closed(request=request(), lanes=2, seconds=0.0), Tally())).count == 0


async def test_a_fixed_rate() -> None:
    """Rate times seconds requests go out, and a latency can't be below 0."""
    client = Answering()
    done = await perform(cast("Client", client), Paced(request=request(), rate=1000, seconds=0.02), Tally())
    assert done.count == 20
    assert min(done.latencies) >= 0


async def test_a_failed_request_ends_the_job() -> None:
    """A benchmark whose requests fail measures nothing."""
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await perform(
            cast("Client", Answering()), Closed(request=request(Operation.EXECUTE), lanes=2, count=2), Tally()
        )
