"""The load that a peer is put under: the same jobs, over the same socket, as Perdure's own client gets them.

Standard library only, since each peer has a virtual environment of its own. What the frames hold is written down in
`runtime/bench/jobs.py`: a length of 4 bytes, then JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter
from typing import Any

Job = dict[str, Any]
Request = dict[str, Any]
Ask = Callable[[int], Awaitable[object]]
Perform = Callable[[Job], tuple[list[float], float]]  # gives latencies in milliseconds, and seconds

_LENGTH = 4


class Jobs:
    """What there is to do: iterate over the jobs, and answer each with `done` or `failed`."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(address)
        self._write({"type": "ready"})

    def next(self) -> Job | None:
        """Wait for a job; None when there will be no more."""
        head = self._read(_LENGTH)
        body = self._read(int.from_bytes(head, "big")) if head else b""
        return json.loads(body) if body else None

    def done(self, latencies: list[float], seconds: float) -> None:
        """Say that a job is done."""
        self._write({"type": "done", "count": len(latencies), "seconds": seconds, "latencies": latencies})

    def failed(self, error: BaseException) -> None:
        """Say that a job can't be done."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        self._write({"type": "failed", "reason": f"{type(error).__name__}: {error}"})

    def _write(self, message: dict[str, Any]) -> None:
        body = json.dumps(message).encode()
        self._socket.sendall(len(body).to_bytes(_LENGTH, "big") + body)

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            if not (part := self._socket.recv(size - len(found))):
                return b""
            found += part
        return found


def serve(perform: Perform) -> None:
    """Do jobs, one after the other, until the socket is closed. Its address is the program's first argument."""
    jobs = Jobs(sys.argv[1])
    while (job := jobs.next()) is not None:
        try:
            latencies, seconds = perform(job)
        except Exception as error:  # noqa: BLE001 - whatever it was, the benchmark has to hear of it
            jobs.failed(error)
        else:
            jobs.done(latencies, seconds)


async def serve_async(asker: Callable[[Request], Ask]) -> None:
    """Do the same with coroutines: `asker` gives for a request what to await for its number N."""
    jobs = Jobs(sys.argv[1])
    while (job := await asyncio.to_thread(jobs.next)) is not None:
        try:
            latencies, seconds = await in_lanes(asker(job["request"]), job)
        except Exception as error:  # noqa: BLE001 - whatever it was, the benchmark has to hear of it
            jobs.failed(error)
        else:
            jobs.done(latencies, seconds)


async def in_lanes(ask: Ask, job: Job) -> tuple[list[float], float]:
    """Keep so many lanes busy, each asking again once it has its answer."""
    began = perf_counter()
    end = None if job["seconds"] is None else began + job["seconds"]
    numbers = numbers_of(job)
    latencies: list[float] = []

    async def lane() -> None:
        for number in numbers:
            asked = perf_counter()
            if end is not None and asked >= end:
                return
            await ask(number)
            latencies.append(milliseconds_since(asked))

    async with asyncio.TaskGroup() as group:
        for _ in range(job["lanes"]):
            group.create_task(lane())
    return latencies, perf_counter() - began


def numbers_of(job: Job) -> Iterator[int]:
    """Give 0, 1, 2 … as far as the job goes."""
    return itertools.count() if job["count"] is None else iter(range(job["count"]))


def milliseconds_since(began: float) -> float:
    """Give the time since then."""
    return round((perf_counter() - began) * 1000, 3)


def key_of(request: Request, number: int) -> str:
    """Give the id of the instance that a request is for."""
    return f"{request['prefix']}{number if request['keys'] is None else number % request['keys']}"
