"""One peer against Perdure: the same job for both, in turns, and the median of the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from msgspec import Struct

from runtime.bench.figures import Measurement
from runtime.bench.jobs import Closed, Job, Request


class Side(Protocol):
    """Perdure, or a peer."""

    async def run(self, job: Job) -> object:
        """Do a job."""
        ...

    async def measure(self, name: str, unit: str, job: Job, *, units: int = 1) -> Measurement:
        """Do a job and sum it up."""
        ...


class Contest(Struct, frozen=True, kw_only=True):
    """What is compared. A request of a job is the same for both sides."""

    key: str  # w1_vs_restate
    title: str
    unit: str  # what is counted, in the singular
    request: Request  # its prefix is filled in
    lanes: tuple[int, ...]  # requests at once; the last one is the ratio's
    units: int = 1  # that a request stands for
    note: str = ""


class Effort(Struct, frozen=True):
    """How long it goes; times are seconds."""

    rounds: int
    warm_up: float
    seconds: float


class Outcome(Struct, frozen=True):
    """The rounds of one contest at one concurrency."""

    key: str
    lanes: int
    unit: str
    peer: list[Measurement]
    perdure: list[Measurement]

    @property
    def per_second(self) -> tuple[float, float]:
        """The medians of the peer and of Perdure."""
        return _median(self.peer, _rate), _median(self.perdure, _rate)

    @property
    def p50(self) -> tuple[float, float]:
        """The median of the rounds' median latencies, in milliseconds, of the peer and of Perdure."""
        return _median(self.peer, _latency), _median(self.perdure, _latency)

    @property
    def cpu(self) -> tuple[float, float]:
        """Microseconds of CPU per unit, all processes together, of the peer and of Perdure."""
        return _median(self.peer, _cpu), _median(self.perdure, _cpu)

    @property
    def ratio(self) -> float:
        """How many times as fast Perdure is."""
        peer, perdure = self.per_second
        return round(perdure / peer, 2)


# Starts a side, and ends it with the block; gives who takes part in which contest.
Opened = Callable[[], AbstractAsyncContextManager[Callable[[Contest], Side]]]


async def hold(
    contests: Sequence[Contest], effort: Effort, peer: Opened, perdure: Opened, doing: Callable[[str], None]
) -> list[Outcome]:
    """Hold contests: peer, Perdure, peer, Perdure …; gives an outcome for each contest and concurrency.

    A side is started for its turn and ended after it: one that only waits may still take CPU that the other one needs.

    Raises:
        BenchFailed: one of the two could not do the work.
    """
    found: dict[tuple[str, int], tuple[list[Measurement], list[Measurement]]] = {
        (contest.key, lanes): ([], []) for contest in contests for lanes in contest.lanes
    }
    for number in range(1, effort.rounds + 1):
        for place, opened in enumerate((peer, perdure)):
            async with opened() as side_of:
                for contest in contests:
                    for lanes in contest.lanes:
                        doing(f"{contest.key}: {lanes} at once, round {number} of {effort.rounds}")
                        measured = await _measured(contest, effort, side_of(contest), lanes, number)
                        found[contest.key, lanes][place].append(measured)
    return [
        Outcome(contest.key, lanes, contest.unit, *found[contest.key, lanes])
        for contest in contests
        for lanes in contest.lanes
    ]


async def _measured(contest: Contest, effort: Effort, side: Side, lanes: int, number: int) -> Measurement:
    await side.run(_job(contest, lanes, f"warm-{number}", effort.warm_up))
    job = _job(contest, lanes, f"run-{number}", effort.seconds)
    return await side.measure(f"{lanes} at once", contest.unit, job, units=contest.units)


def _job(contest: Contest, lanes: int, part: str, seconds: float) -> Closed:
    # Workflows are new ones each time; actors are asked again and again, so that they are in memory.
    prefix = f"{contest.key}-" if contest.request.keys else f"{contest.key}-{lanes}-{part}-"
    request = Request(
        operation=contest.request.operation,
        type=contest.request.type,
        prefix=prefix,
        arguments=contest.request.arguments,
        name=contest.request.name,
        keys=contest.request.keys,
    )
    return Closed(request=request, lanes=lanes, seconds=seconds)


def _median(measurements: list[Measurement], value: Callable[[Measurement], float]) -> float:
    return statistics.median(value(measured) for measured in measurements)


def _rate(measured: Measurement) -> float:
    return measured.per_second or 0.0


def _latency(measured: Measurement) -> float:
    return 0.0 if measured.latency_ms is None else measured.latency_ms.p50


def _cpu(measured: Measurement) -> float:
    return sum(measured.cpu_us.values())
