"""Jobs shared among client processes, and the frames that carry them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.bench.jobs import Closed, Done, Job, Operation, Paced, Request, read_job, read_report, write


def request(**given: Any) -> Request:
    defaults: dict[str, Any] = {"operation": Operation.CALL, "type": "Counter", "prefix": "a-", "arguments": [1]}
    return Request(**defaults | given)


@pytest.mark.parametrize("clients", [1, 2, 3, 7])
def test_shares_make_the_whole(clients: int) -> None:
    """Lanes and requests are divided without a rest."""
    job = Closed(request=request(), lanes=200, count=1001)
    shares = [share for number in range(clients) if (share := job.share(number, clients))]
    assert sum(share.lanes for share in shares) == 200
    assert sum(share.count or 0 for share in shares) == 1001


def test_no_lane_for_the_second() -> None:
    """One request at a time is one client's."""
    job = Closed(request=request(), lanes=1, seconds=1.0)
    assert [job.share(number, 2) is None for number in range(2)] == [False, True]


def test_instances_of_different_clients_differ() -> None:
    """Two clients never start the same workflow; actors with keys are shared."""
    fresh = [Paced(request=request(), rate=10, seconds=1).share(number, 2) for number in range(2)]
    shared = [Paced(request=request(keys=5), rate=10, seconds=1).share(number, 2) for number in range(2)]
    assert len({paced.request.prefix for paced in fresh if paced}) == 2
    assert {(paced.request.prefix, paced.rate) for paced in shared if paced} == {("a-", 5.0)}


class Wire:
    """A writer whose bytes a reader gets."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader()

    def write(self, data: bytes) -> None:
        self.reader.feed_data(data)


@pytest.mark.parametrize(
    "job",
    [Closed(request=request(keys=3), lanes=2, seconds=1.5), Paced(request=request(), rate=50.0, seconds=2.0)],
    ids=["closed", "paced"],
)
async def test_jobs_arrive(job: Job) -> None:
    """What is read is what was written."""
    wire = Wire()
    write(wire, job)  # type: ignore[arg-type]  # only `write` is used of a writer
    assert await read_job(wire.reader) == job


async def test_many_latencies_fit_into_a_report() -> None:
    """A frame is longer than what a stream reader holds by default."""
    wire = Wire()
    done = Done(100_000, 1.0, [1.234] * 100_000)
    write(wire, done)  # type: ignore[arg-type]  # the same
    assert await read_report(wire.reader) == done


async def test_the_end_of_the_jobs() -> None:
    """A closed socket is the end, not a damaged frame."""
    wire = Wire()
    wire.reader.feed_eof()
    with pytest.raises(asyncio.IncompleteReadError):
        await read_job(wire.reader)
