"""eventsourcing: an aggregate that counts, saved with each command, and read anew."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from uuid import NAMESPACE_URL, UUID, uuid5

import lanes
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event

_SAVED_AT_ONCE = 1000


class Counter(Aggregate):
    """Counts."""

    @event("Opened")
    def __init__(self, id: UUID) -> None:
        self._id = id
        self.units = 0

    @staticmethod
    def create_id(id: UUID) -> UUID:
        """Give the id that it was asked for."""
        return id

    @event("Added")
    def add(self, units: int) -> None:
        """Count some more."""
        self.units += units


class Counters(Application[UUID]):
    """All of them."""

    def add(self, id: UUID, units: int) -> int:
        """Carry out a command; gives the count."""
        try:
            counter: Counter = self.repository.get(id)
        except AggregateNotFoundError:
            counter = Counter(id)
        counter.add(units)
        self.save(counter)
        return counter.units


def commands(request: lanes.Request) -> Callable[[int], object]:
    """Give what to call for a request's number N."""
    units = int(request["arguments"][0])
    return lambda number: saved.add(uuid5(NAMESPACE_URL, lanes.key_of(request, number)), units)


def folds(request: lanes.Request) -> Callable[[int], object]:
    """Give what reads the aggregate with so many events, and make it first where there is none."""
    events = int(request["arguments"][0])
    id = uuid5(NAMESPACE_URL, f"folded-{events}")
    if id not in in_memory.repository:
        counter = Counter(id)
        for number in range(1, events):  # the first one opens it
            counter.add(1)
            if number % _SAVED_AT_ONCE == 0:
                in_memory.save(counter)
        in_memory.save(counter)
    return lambda _: in_memory.repository.get(id).version


def perform(job: lanes.Job) -> tuple[list[float], float]:
    """Let the threads share the requests; as many are under way as there are lanes, most of them waiting for a thread."""
    request = job["request"]
    ask = folds(request) if request["operation"] == "query" else commands(request)
    latencies: list[float] = []
    numbers = lanes.numbers_of(job)
    began = perf_counter()
    end = None if job["seconds"] is None else began + job["seconds"]

    def lane() -> None:
        for number in numbers:
            asked = perf_counter()
            if end is not None and asked >= end:
                return
            ask(number)
            latencies.append(lanes.milliseconds_since(asked))

    workers = min(job["lanes"], THREADS)
    with ThreadPoolExecutor(workers) as pool:
        for ended in [pool.submit(lane) for _ in range(workers)]:
            ended.result()
    return latencies, perf_counter() - began


if __name__ == "__main__":
    THREADS = int(os.environ["BENCH_THREADS"])
    saved = Counters()
    in_memory = Counters(env={"PERSISTENCE_MODULE": "eventsourcing.popo", "AGGREGATE_CACHE_MAXSIZE": ""})
    lanes.serve(perform)
    saved.close()
    in_memory.close()
