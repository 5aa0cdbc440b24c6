"""What the benchmark asks of its client processes, and how the two talk: frames of JSON on a Unix socket."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

_LENGTH = 4  # bytes that say how long a frame is


class Operation(StrEnum):
    """What one request is."""

    EXECUTE = "execute"  # start a workflow and wait for its result
    START = "start"  # start a workflow; its start is durable
    CALL = "call"  # send a command and wait for its answer
    QUERY = "query"


class Request(Struct, kw_only=True, frozen=True):
    """The requests of a job: each is the same but for the instance's id, `prefix` and a number."""

    operation: Operation
    type: str
    prefix: str
    arguments: list[Any]
    name: str = ""  # of the command or query
    keys: int | None = None  # numbers go round after so many; None: never


class Closed(Struct, tag="closed", kw_only=True, frozen=True):
    """So many lanes, each asking again once it has its answer, until the time is up or the requests are used up."""

    request: Request
    lanes: int
    seconds: float | None = None
    count: int | None = None

    def share(self, number: int, clients: int) -> Closed | None:
        """Give the part of one client out of several; None when there is nothing for it to do."""
        lanes = _portion(self.lanes, number, clients)
        count = None if self.count is None else _portion(self.count, number, clients)
        if lanes == 0 or count == 0:
            return None
        return msgspec.structs.replace(self, request=_own(self.request, number), lanes=lanes, count=count)


class Paced(Struct, tag="paced", kw_only=True, frozen=True):
    """So many requests a second, come what may. Latency counts from when a request was to go out, not from when it did."""

    request: Request
    rate: float
    seconds: float

    def share(self, number: int, clients: int) -> Paced | None:
        """Give the part of one client out of several."""
        return msgspec.structs.replace(self, request=_own(self.request, number), rate=self.rate / clients)


Job = Closed | Paced


class Progress(Struct, tag="progress", frozen=True):
    """How many requests have their answer by now."""

    done: int


class Done(Struct, tag="done", frozen=True):
    """The job is done: how many requests, in how many seconds, and each one's latency in milliseconds."""

    count: int
    seconds: float
    latencies: list[float]


class Failed(Struct, tag="failed", frozen=True):
    """A request failed, and with it the job."""

    reason: str


class Ready(Struct, tag="ready", frozen=True):
    """The client is connected."""


Report = Ready | Progress | Done | Failed
_REPORT: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)
_JOB: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)


async def read_report(reader: asyncio.StreamReader) -> Report:
    """Read what a client says. Raises `asyncio.IncompleteReadError` when it is gone."""
    return _REPORT.decode(await _read(reader))


async def read_job(reader: asyncio.StreamReader) -> Job:
    """Read what there is to do. Raises `asyncio.IncompleteReadError` when there will be no more."""
    return _JOB.decode(await _read(reader))


def write(writer: asyncio.StreamWriter, message: Job | Report) -> None:
    """Send a frame."""
    body = msgspec.json.encode(message)
    writer.write(len(body).to_bytes(_LENGTH, "big") + body)


async def _read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_LENGTH), "big"))


def _own(request: Request, number: int) -> Request:
    # Keys are shared: two clients may well ask one actor. Fresh instances are each client's own.
    return request if request.keys else msgspec.structs.replace(request, prefix=f"{request.prefix}{number}-")


def _portion(whole: int, number: int, parts: int) -> int:
    each, over = divmod(whole, parts)
    return each + (1 if number < over else 0)
