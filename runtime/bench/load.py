"""Carrying out a job: the requests of one client process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from time import perf_counter

from msgspec import Struct

from runtime.bench.app import TYPES
from runtime.bench.jobs import Closed, Done, Job, Operation, Paced, Request
from runtime.client import Client

Ask = Callable[[int], Awaitable[object]]


class Tally(Struct):
    """Latencies in milliseconds, of the requests that have their answer."""

    latencies: list[float] = []


async def perform(client: Client, job: Job, tally: Tally) -> Done:
    """Do all of it. Whatever a request raises ends the job."""
    began = perf_counter()
    match job:
        case Closed():
            await _closed(_asker(client, job.request), job, tally)
        case Paced():
            await _paced(_asker(client, job.request), job, tally)
    return Done(len(tally.latencies), perf_counter() - began, tally.latencies)


async def _closed(ask: Ask, job: Closed, tally: Tally) -> None:
    end = None if job.seconds is None else perf_counter() + job.seconds
    numbers = itertools.count() if job.count is None else iter(range(job.count))

    async def lane() -> None:
        for number in numbers:
            began = perf_counter()
            if end is not None and began >= end:
                return
            await ask(number)
            _count(tally, began)

    async with asyncio.TaskGroup() as group:
        for number in range(job.lanes):
            group.create_task(lane(), name=f"lane-{number}")


async def _paced(ask: Ask, job: Paced, tally: Tally) -> None:
    began = perf_counter()

    async def one(number: int, due: float) -> None:
        await ask(number)
        _count(tally, due)

    async with asyncio.TaskGroup() as group:
        for number in range(round(job.rate * job.seconds)):
            due = began + number / job.rate
            if (ahead := due - perf_counter()) > 0:
                await asyncio.sleep(ahead)
            group.create_task(one(number, due), name=f"request-{number}")


def _count(tally: Tally, began: float) -> None:
    tally.latencies.append(round((perf_counter() - began) * 1000, 3))


def _asker(client: Client, request: Request) -> Ask:
    kind, arguments, keys, prefix = TYPES[request.type], request.arguments, request.keys, request.prefix

    def id_of(number: int) -> str:
        return f"{prefix}{number if keys is None else number % keys}"

    match request.operation:
        case Operation.EXECUTE:
            return lambda number: client.execute(kind, id_of(number), *arguments)
        case Operation.START:
            return lambda number: client.start(kind, id_of(number), *arguments)
        case Operation.CALL:
            return lambda number: client.call(kind, id_of(number), request.name, *arguments)
        case Operation.QUERY:
            return lambda number: client.query(kind, id_of(number), request.name, *arguments)
