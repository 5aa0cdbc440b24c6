"""Perdure beside its peers: turns, medians, ratios, and what becomes of a peer that can't be had."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from rich.console import Console

from benchmarks.peers.contest import Contest, Effort, Opened, Outcome, Side, hold
from benchmarks.peers.contests import KEYS, PROGRAM
from benchmarks.peers.installing import NotInstalled
from benchmarks.peers.report import Results, as_object, print_tables
from benchmarks.peers.rival import Peer, Rival
from benchmarks.peers.running import run_peers
from runtime.bench.figures import Latency, Measurement
from runtime.bench.jobs import Closed, Job, Operation, Request
from runtime.bench.machine import describe_machine
from runtime.bench.servers import Servers

CONTEST = Contest(
    key="w1_vs_restate",
    title="one step",
    unit="workflow",
    request=Request(operation=Operation.EXECUTE, type="Steps", prefix="", arguments=[1]),
    lanes=(1, 200),
)


class Scripted:
    """A side with given figures, which writes down what it is asked for."""

    def __init__(self, name: str, rates: list[float], log: list[str]) -> None:
        self.name, self.rates, self.log = name, rates, log
        self.prefixes: list[str] = []

    async def run(self, job: Job) -> object:
        self.log.append(f"{self.name} warms up")
        self.prefixes.append(job.request.prefix)
        return None

    async def measure(self, name: str, unit: str, job: Job, *, units: int = 1) -> Measurement:
        assert isinstance(job, Closed)
        self.log.append(f"{self.name} {job.lanes}")
        self.prefixes.append(job.request.prefix)
        return measured(self.rates.pop(0))


def measured(rate: float) -> Measurement:
    return Measurement(
        engine="x",
        name="y",
        unit="workflow",
        per_second=rate,
        latency_ms=Latency(5, 6, 7, 8),
        cpu_us={"node": 3, "client": 4},
    )


def opened(side: Scripted) -> Opened:
    @asynccontextmanager
    async def open_and_end() -> AsyncIterator[Callable[[Contest], Side]]:
        side.log.append(f"{side.name} starts")
        yield lambda _: side
        side.log.append(f"{side.name} ends")

    return open_and_end


async def test_turns() -> None:
    """Peer, Perdure, peer, Perdure: only one is up, each is warm before it is measured, and no instance comes twice."""
    log: list[str] = []
    peer, perdure = Scripted("peer", [1] * 4, log), Scripted("perdure", [1] * 4, log)
    await hold([CONTEST], Effort(2, 1, 1), opened(peer), opened(perdure), lambda _: None)
    turn = ["{0} starts", "{0} warms up", "{0} 1", "{0} warms up", "{0} 200", "{0} ends"]
    assert log == [line.format(side) for side in ("peer", "perdure") * 2 for line in turn]
    assert len(set(perdure.prefixes)) == len(perdure.prefixes)
    assert perdure.prefixes == peer.prefixes


async def test_median() -> None:
    """A ratio is of the medians of the rounds, at each concurrency."""
    peer, perdure = Scripted("peer", [10, 5, 99, 5, 20, 5], []), Scripted("perdure", [60, 20, 40, 10, 1, 10], [])
    few, many = await hold([CONTEST], Effort(3, 1, 1), opened(peer), opened(perdure), lambda _: None)
    assert (few.per_second, few.ratio) == ((20, 40), 2.0)
    assert (many.per_second, many.ratio) == ((5, 10), 2.0)
    assert (few.p50, few.cpu) == ((5, 5), (7, 7))


def test_seven_ratios() -> None:
    """The ratios are those at the highest concurrency; what was not measured is None."""
    outcomes = [
        Outcome("w1_vs_restate", lanes, "workflow", [measured(10)], [measured(rate)])
        for lanes, rate in ((1, 5), (200, 45))
    ]
    results = Results(describe_machine(), outcomes)
    assert results.ratios() == {key: 4.5 if key == "w1_vs_restate" else None for key in KEYS}
    assert as_object(results)["medians"][1]["perdure"] == {"per_second": 45, "p50_ms": 5, "cpu_us": 7}


def test_program() -> None:
    """There is a contest for each of the seven ratios, each peer's settings are told, and 200 at once decides."""
    contests = [contest for _, several in PROGRAM for contest in several]
    assert sorted(contest.key for contest in contests) == sorted(KEYS)
    assert {contest.lanes[-1] for contest in contests if contest.key != "w6_vs_eventsourcing"} == {200}
    assert all(peer.settings for peer, _ in PROGRAM)


async def test_a_peer_that_cannot_be_installed() -> None:
    """It is named with the reason, and has no ratio."""

    async def refuse() -> None:
        raise NotInstalled("npm is not installed")

    def opened(servers: Servers, folder: Path) -> AbstractAsyncContextManager[Rival]:
        raise AssertionError("a peer that is not installed was started")

    told = io.StringIO()
    console = Console(file=told, width=200)
    results = await run_peers([(Peer("restate", "Restate", opened, refuse, {}), [CONTEST])], Effort(1, 1, 1), console)
    print_tables(console, results)
    assert results.missing == {"w1_vs_restate": "not measured: npm is not installed"}
    assert results.ratios()["w1_vs_restate"] is None
    assert "Restate can't be installed: npm is not installed" in told.getvalue()
