"""One seed: its plot, told and judged. The same seed is the same run, to the last step."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from msgspec import Struct

from eventstore import TimerKey
from eventstore.memory.log import Partition
from runtime import Client, InstanceStuck
from runtime.hosting.forgetting import REST
from tests.simulation.chaos import Chaos
from tests.simulation.clients import Clients
from tests.simulation.faults import all_good
from tests.simulation.installation import Installation
from tests.simulation.plot import Plot, plot
from tests.simulation.verdict import LIVE, Live, judge
from tests.simulation.virtual_time import VirtualTimeLoop
from tests.simulation.weather import Fault, Weather
from tests.simulation.world import NodeProcess, WorkerProcess

WITHIN = 90.0  # virtual seconds after the healing, for everything to be done
LOOK = 0.25  # virtual seconds between two looks at whether it is
MOST_STEPS = 1_000_000


class Report(Struct):
    """What became of a seed."""

    seed: int
    trace: int  # of all that ran, in order: the same for the same run
    steps: int
    seconds: float  # virtual
    faults: dict[Fault, int]
    excused: bool = False  # messages were put aside as poison
    error: str = ""
    story: list[str] = []


class SeedFailed(Exception):
    """A seed failed; the report tells how, and the cause why."""

    def __init__(self, report: Report) -> None:
        super().__init__(report.error)
        self.report = report


def run_seed(seed: int) -> Report:
    """Tell a seed's plot, and judge it.

    Raises:
        SeedFailed: something is not as it must be.
    """
    told = plot(seed)
    random.seed(seed)
    weather = Weather(Random(seed ^ 0x5EED), told.rates)
    loop = VirtualTimeLoop(most_steps=MOST_STEPS)
    loop.set_exception_handler(_unheard)
    installations: list[Installation] = []
    excused, error = False, None
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            excused = runner.run(_told(told, weather, installations))
        except (Exception, asyncio.CancelledError) as raised:  # noqa: BLE001 - whatever it is, the seed failed
            error = raised
        trace, steps, now = loop.trace, loop.steps, loop.time()  # what follows only clears away
        for installation in installations:
            for process in installation.processes:
                process.bury()
    story = installations[0].story if installations else []
    report = Report(seed, trace, steps, now, dict(weather.seen), excused, "", story)
    if error is not None:
        report.error = f"{type(error).__name__}: {error}"
        raise SeedFailed(report) from error
    return report


async def _told(told: Plot, weather: Weather, installations: list[Installation]) -> bool:
    installation = Installation(told, weather)
    installations.append(installation)
    supervisor = asyncio.ensure_future(installation.supervise())
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(installation.client(all_good)) for _ in range(told.clients)]
        clients = Clients(installation, opened)
        asking = asyncio.ensure_future(clients.run())
        chaos = asyncio.ensure_future(Chaos(installation).run())
        await _done(installation, [supervisor, asking, chaos], chaos.done, told.seconds + 30.0, "the chaos ends")
        healed_at = installation.elapsed
        await _done(installation, [supervisor, asking], asking.done, WITHIN, "every client has its answers")
        await _done(
            installation,
            [supervisor],
            lambda: _at_rest(installation),
            WITHIN,
            "nothing is left to do",
            lambda: _left(installation),
        )
        live = await _ask_all(installation, opened[0])
        installation.tell("all is done")
        supervisor.cancel()
        await _stop(installation)
    installation.check_ends()
    return judge(installation, clients, live, healed_at)


async def _done(
    installation: Installation,
    tasks: list[asyncio.Future[Any]],
    done: Callable[[], bool],
    seconds: float,
    what: str,
    left: Callable[[], str] = str,
) -> None:
    """Wait for something while these tasks go on; what one of them raises is the seed's."""
    end = installation.elapsed + seconds
    while not done():
        for task in tasks:
            if task.done():
                task.result()
        if installation.elapsed > end:
            raise AssertionError(f"not within {seconds:g} virtual seconds: {what} {left()}".rstrip())
        await asyncio.sleep(LOOK)
    for task in tasks:
        if task.done():
            task.result()


def _at_rest(installation: Installation) -> bool:
    owners = {node.name for node in installation.living(NodeProcess)}
    log = installation.store.log
    return (
        all(not p.outbox and not _timers(p) and p.owner in owners for p in log.partitions)
        and not any(s.execution and s.execution.busy for s in log.streams.values())
        and installation.broker.is_empty()
        and not installation.weather.under_way
        and not any(isinstance(p, WorkerProcess) and p.worker._running for p in installation.living(WorkerProcess))
    )


def _timers(partition: Partition) -> list[TimerKey]:
    """Give the timers that are work: what is left of deleted instances has its time in days."""
    return [timer for timer in partition.timers if timer.number != REST]


def _left(installation: Installation) -> str:
    """Say what is left to do, for people."""
    log = installation.store.log
    rows = [id for partition in log.partitions for id in partition.outbox]
    timers = [f"{timer.stream}#{timer.number}" for partition in log.partitions for timer in _timers(partition)]
    busy = [name for name, stream in log.streams.items() if stream.execution and stream.execution.busy]
    return f"(rows {rows}, timers {timers}, busy {busy})"


async def _ask_all(installation: Installation, client: Client) -> Live:
    live: Live = {}
    for name in list(installation.store.log.streams):
        type_, _, id = name.partition("/")
        if type_ == "Account":
            live[name] = await client.query("Account", id, "balance", timeout=WITHIN)
        elif type_ == "Flow" and installation.store.log.streams[name].events:
            try:
                live[name] = await client.query("Flow", id, "state", timeout=WITHIN)
            except InstanceStuck:  # it was ended so, and in memory it is as it was: code is mended with a new process
                row = installation.store.log.streams[name].execution
                assert row, f"{name} is not listed"
                assert row.status in {"terminated", "timed_out"}, f"{name} is {row.status}, and answers as stuck"
        elif type_ in LIVE:
            live[name] = await client.query(type_, id, LIVE[type_][0], timeout=WITHIN)
    return live


async def _stop(installation: Installation) -> None:
    try:
        async with asyncio.timeout(WITHIN):
            await installation.close()
    except TimeoutError:
        raise AssertionError(f"not within {WITHIN:g} virtual seconds: everything stops in order") from None


def _unheard(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep quiet about futures of the dead."""
