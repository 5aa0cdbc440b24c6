"""Which fault comes when: made from a seed, which alone decides it."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from random import Random

from msgspec import Struct

LEASE = 3.0  # seconds, of every node in the suite


class Kind(StrEnum):
    """A class of faults."""

    NODE_KILL = "node SIGKILL"
    WORKER_KILL = "worker SIGKILL"
    NODE_STOP = "node SIGSTOP longer than its lease"
    WORKER_STOP = "worker SIGSTOP"
    BROKER_STOP = "RabbitMQ SIGSTOP"
    POSTGRES_STOP = "Postgres SIGSTOP"
    BROKER_KILL = "RabbitMQ SIGKILL"
    POSTGRES_KILL = "Postgres SIGKILL"
    EVERYTHING = "everything at once"
    LOST_ANSWER = "answer lost"
    RESET = "connections reset"
    CUT = "cut in the middle of a message"
    BLACK_HOLE = "black hole"
    DELAY = "slow link"
    MEMORY_ALARM = "memory alarm"
    PURGE = "task queue purged"
    TERMINATED = "backend terminated"
    CANCELLATION = "call cancelled"


# What a run must have seen. Cancellations are the clients' own, drills add one kill of each server and a node.
MINIMUM: dict[Kind, int] = {
    Kind.NODE_KILL: 8,
    Kind.WORKER_KILL: 15,
    Kind.NODE_STOP: 4,
    Kind.WORKER_STOP: 2,
    Kind.BROKER_STOP: 1,
    Kind.POSTGRES_STOP: 1,
    Kind.BROKER_KILL: 2,
    Kind.POSTGRES_KILL: 2,
    Kind.EVERYTHING: 1,
    Kind.LOST_ANSWER: 30,
    Kind.RESET: 20,
    Kind.CUT: 5,
    Kind.BLACK_HOLE: 5,
    Kind.DELAY: 5,
    Kind.MEMORY_ALARM: 1,
    Kind.PURGE: 1,
    Kind.TERMINATED: 20,
    Kind.CANCELLATION: 200,
}
COMMANDS = 10_000  # accepted ones, at least

# More than the minimum: one may come when there is nothing to hit.
_PLANNED: dict[Kind, int] = {
    Kind.NODE_KILL: 10,
    Kind.WORKER_KILL: 19,
    Kind.NODE_STOP: 6,
    Kind.WORKER_STOP: 4,
    Kind.BROKER_STOP: 1,
    Kind.POSTGRES_STOP: 1,
    Kind.BROKER_KILL: 1,
    Kind.POSTGRES_KILL: 1,
    Kind.EVERYTHING: 1,
    Kind.LOST_ANSWER: 42,
    Kind.RESET: 26,
    Kind.CUT: 12,
    Kind.BLACK_HOLE: 8,
    Kind.DELAY: 8,
    Kind.MEMORY_ALARM: 1,
    Kind.PURGE: 3,
    Kind.TERMINATED: 26,
}
_ONE_RUN = 200.0  # seconds of chaos for the counts above


class Fault(Struct, frozen=True):
    """One fault. `pick` and `grade` are numbers in [0, 1) that choose the victim and how bad it is."""

    at: float  # seconds from the beginning of the chaos
    kind: Kind
    pick: float
    grade: float


def make_plan(seed: int, seconds: float) -> list[Fault]:
    """Spread faults over so many seconds; longer runs get more of them.

    Each kind has its stretches of equal length, with one fault at a random moment of each.
    """
    random = Random(seed)
    times = max(1, round(seconds / _ONE_RUN))
    plan = []
    for kind, count in _PLANNED.items():
        stretch = seconds / (count * times)
        for number in range(count * times):
            at = (number + random.random()) * stretch
            plan.append(Fault(round(at, 3), kind, random.random(), random.random()))
    return sorted(plan, key=lambda fault: fault.at)


def shortfall(seen: Counter[Kind]) -> list[str]:
    """Name the kinds that a run has not seen often enough."""
    return [f"{kind}: {seen[kind]} of {least}" for kind, least in MINIMUM.items() if seen[kind] < least]
