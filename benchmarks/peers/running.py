"""The run from beginning to end: the servers, then one peer after the other beside Perdure."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from rich.console import Console

from benchmarks.peers.contest import Contest, Effort, Side, hold
from benchmarks.peers.contests import FOLDED, REPLAY
from benchmarks.peers.display import Display
from benchmarks.peers.installing import NotInstalled
from benchmarks.peers.report import Results
from benchmarks.peers.rival import Peer
from runtime.bench.figures import Measurement
from runtime.bench.jobs import Job
from runtime.bench.machine import describe_machine
from runtime.bench.members import BenchFailed
from runtime.bench.servers import Engine, Servers, open_servers
from runtime.bench.sizes import USUAL
from runtime.bench.stage import open_folder
from runtime.bench.workload import Bench
from runtime.bench.workloads.replay import counter_history, fold, repeated

Program = Sequence[tuple[Peer, Sequence[Contest]]]


class Replay:
    """Perdure's side where neither node nor server takes part: folding in this process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._history = counter_history(FOLDED)

    async def run(self, job: Job) -> None:  # noqa: ARG002 - there is one thing that it can do
        """Fold once, to warm up."""
        fold(self._history)

    async def measure(self, name: str, unit: str, job: Job, *, units: int = 1) -> Measurement:  # noqa: ARG002 - as above
        """Fold again and again."""
        return repeated(self._seconds, name, self._history, fold)


async def run_peers(program: Program, effort: Effort, console: Console) -> Results:
    """Hold all contests. A peer that can't be installed or measured is left out, with the reason in the results.

    Raises:
        ServerError: Postgres or RabbitMQ is not installed, or does not start.
    """
    results = Results(describe_machine())
    measurements = sum(2 * effort.rounds * len(contest.lanes) for _, contests in program for contest in contests)
    with Display(console, measurements) as display:
        installed = [
            (peer, contests) for peer, contests in program if await _installed(peer, contests, display, results)
        ]
        if installed:
            display.preparing("starting Postgres and RabbitMQ")
            async with open_servers(Engine.RABBITMQ) as servers:
                results.machine.servers[Engine.RABBITMQ] = await servers.description()
                for peer, contests in installed:
                    await _meet(peer, contests, effort, servers, display, results)
    results.machine.load_after = os.getloadavg()
    return results


async def _installed(peer: Peer, contests: Sequence[Contest], display: Display, results: Results) -> bool:
    display.preparing(f"{peer.title}: installing, unless it is installed")
    try:
        await peer.install()
    except (NotInstalled, OSError) as error:
        results.missing |= dict.fromkeys((contest.key for contest in contests), f"not measured: {error}")
        display.failed(f"{peer.title} can't be installed: {error}")
        return False
    return True


async def _meet(
    peer: Peer, contests: Sequence[Contest], effort: Effort, servers: Servers, display: Display, results: Results
) -> None:
    """Measure one peer and Perdure in turns, of which one is up at a time; the servers that they share stay up."""
    bench = Bench(servers, USUAL, 1, found=lambda _: None, advance=lambda _, __: None)
    workers = 1 if any(contest.request.type == "Tasks" for contest in contests) else 0

    @asynccontextmanager
    async def theirs() -> AsyncIterator[Callable[[Contest], Side]]:
        display.preparing(f"starting {peer.title}")
        async with open_folder() as folder, peer.opened(servers, folder) as rival:
            yield lambda _: rival

    @asynccontextmanager
    async def ours() -> AsyncIterator[Callable[[Contest], Side]]:
        display.preparing("starting Perdure")
        async with bench.stage(workers=workers) as stage:
            yield lambda contest: Replay(effort.seconds) if contest is REPLAY else stage

    try:
        outcomes = await hold(contests, effort, theirs, ours, display.measuring)
    except BenchFailed as failed:
        results.missing |= dict.fromkeys((contest.key for contest in contests), f"not measured: {failed}")
        display.failed(f"{peer.title} beside Perdure: {failed}")
        return
    results.outcomes += outcomes
    for outcome in outcomes:
        display.found(peer, outcome)
