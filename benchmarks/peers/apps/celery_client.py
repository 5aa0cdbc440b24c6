"""A client of Celery: keeps so many chains of tasks under way, and takes their results from its reply queue."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import lanes
from celery import chain
from celery_app import app, work


def perform(job: lanes.Job) -> tuple[list[float], float]:
    """Start a chain in each lane, and the lane's next one as soon as its result is there."""
    tasks = int(job["request"]["arguments"][0])
    numbers = lanes.numbers_of(job)
    latencies: list[float] = []
    began = perf_counter()
    end = None if job["seconds"] is None else began + job["seconds"]
    under_way = 0

    def start() -> None:
        nonlocal under_way
        asked = perf_counter()
        if (end is not None and asked >= end) or next(numbers, None) is None:
            return
        under_way += 1

        def ended(result: Any) -> None:
            nonlocal under_way
            under_way -= 1
            result.get(timeout=0)  # raises what the task raised
            latencies.append(lanes.milliseconds_since(asked))
            start()

        first = work.s(0, 0)
        chain(first, *(work.s(number) for number in range(1, tasks))).apply_async().then(ended)

    for _ in range(job["lanes"]):
        start()
    while under_way:
        try:
            app.backend.result_consumer.drain_events(timeout=1)
        except TimeoutError:
            continue
    return latencies, perf_counter() - began


if __name__ == "__main__":
    lanes.serve(perform)
