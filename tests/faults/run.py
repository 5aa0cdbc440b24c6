"""A run from beginning to end: chaos, heal, audit."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from runtime.servers import ServerError
from tests.faults.drill import Drills
from tests.faults.faults import Saboteur
from tests.faults.gathering import at_rest, gather
from tests.faults.invariants import judge
from tests.faults.journal import Saw, read_journal
from tests.faults.plan import COMMANDS, Fault, Kind, make_plan
from tests.faults.report import Report
from tests.faults.stage import Stage

_AROUND = 160.0  # seconds that set-up, drills, heal and audit take
_LEAST_CHAOS = 60.0
_FINISHING = 120.0  # seconds for the clients to finish what they began
_MORE_LOAD = 180.0  # seconds for the commands that are still missing, on a slow machine
_LATE = 120.0  # seconds for faults that are still under way


async def run(seed: int, minutes: float, console: Console, keep: Path | None = None) -> Report:
    """Run the suite once; the report says whether all was well.

    Args:
        seed: decides the plan of faults and what the clients do.
        minutes: about how long the whole run takes.
        console: for progress.
        keep: a folder that gets the journals and logs of a run that failed.
    """
    report = Report(seed, minutes)
    chaos = max(_LEAST_CHAOS, minutes * 60 - _AROUND)
    plan = make_plan(seed, chaos)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with tempfile.TemporaryDirectory(prefix="perdure-faults-") as folder:
        home = Path(folder)
        try:
            async with Stage(home, seed) as stage:
                console.print(
                    f"everything is up after {loop.time() - began:.0f} s; {len(plan)} faults in {chaos:.0f} s"
                )
                await _phases(stage, plan, report, console)
                report.crashes = [crash for seat in stage.seats for crash in seat.crashes]
        except ServerError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ended the run, its report and its journals are wanted
            report.trouble.append("".join(traceback.format_exception(error)).strip())
        report.seconds = loop.time() - began
        if keep is not None and report.faults():
            console.print(f"journals and logs: {keep / f'seed-{seed}'}")
            shutil.copytree(home, keep / f"seed-{seed}", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.ready"))
    return report


async def _phases(stage: Stage, plan: list[Fault], report: Report, console: Console) -> None:
    saboteur = Saboteur(stage)
    report.seen = saboteur.seen
    async with _watch(stage, saboteur, console):
        await _chaos(stage, plan, saboteur, console)
        console.print("chaos is over: heal")
        for link in stage.links:
            link.heal()
        await stage.up(stage.seats)
        drills = Drills(stage, saboteur)
        report.progress = await drills.progress("heal")
        report.recoveries = await drills.all()
        await saboteur.purge()  # last: no new owner comes that would publish again what only the sweeper can
        await _enough_commands(stage)
    finished = await asyncio.gather(*(client.finish(_FINISHING) for client in stage.clients))
    if not all(finished):
        report.trouble.append(f"a client could not finish what it began within {_FINISHING:g} s")
    console.print("the clients are done: audit")
    left = await at_rest(stage)
    evidence = await gather(stage, left)
    report.violations = judge(evidence)
    report.events = len(evidence.events)
    if not any(state.has_snapshot for state in evidence.states):
        report.trouble.append("no actor had a snapshot, so I9 has compared none")
    _count_entries(stage, report)


async def _chaos(stage: Stage, plan: list[Fault], saboteur: Saboteur, console: Console) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(plan[-1].at + _LATE), asyncio.TaskGroup() as group:
        for number, fault in enumerate(plan):
            await asyncio.sleep(max(0.0, began + fault.at - loop.time()))
            stage.check()
            group.create_task(saboteur.apply(fault), name=f"fault {number} {fault.kind}")


async def _enough_commands(stage: Stage) -> None:
    """Let the clients go on until the least number was accepted: on a slow machine faults may leave too little time."""
    deadline = asyncio.get_running_loop().time() + _MORE_LOAD
    while _accepted(stage) < COMMANDS and asyncio.get_running_loop().time() < deadline:
        stage.check()
        await asyncio.sleep(2)


def _accepted(stage: Stage) -> int:
    entries = (entry for client in stage.clients for entry in read_journal(stage.journal(client.name)))
    return len({entry.id for entry in entries if entry.saw in {Saw.ACCEPTED, Saw.ANSWERED}})


def _count_entries(stage: Stage, report: Report) -> None:
    report.accepted = _accepted(stage)
    for client in stage.clients:
        for entry in read_journal(stage.journal(client.name)):
            report.seen[Kind.CANCELLATION] += entry.saw is Saw.CANCELLED
            report.unknown += entry.saw is Saw.UNKNOWN


@asynccontextmanager
async def _watch(stage: Stage, saboteur: Saboteur, console: Console) -> AsyncIterator[None]:
    """Say every few seconds how far it is, so that nobody takes a long run for a dead one."""

    async def tell() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await asyncio.sleep(20)
            up = sum(seat.up.is_set() for seat in stage.seats)
            console.print(
                f"{loop.time() - began:4.0f} s  {saboteur.seen.total()} faults, {_accepted(stage)} commands accepted, "
                f"{up} of {len(stage.seats)} processes up, load {os.getloadavg()[0]:.1f}"
            )

    telling = asyncio.create_task(tell(), name="progress")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])
