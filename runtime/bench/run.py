"""The benchmark from beginning to end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
from msgspec import Struct
from rich.console import Console

from runtime.bench.display import Display, print_machine, print_table
from runtime.bench.figures import Measurement
from runtime.bench.machine import Machine, describe_machine
from runtime.bench.members import BenchFailed
from runtime.bench.plot import NoPlots, draw
from runtime.bench.report import as_object, write_json
from runtime.bench.servers import Engine, open_servers
from runtime.bench.sizes import Sizes
from runtime.bench.workload import Bench, Workload
from runtime.bench.workloads import WORKLOADS
from runtime.cli.errors import CommandLineError


class Options(Struct, frozen=True, kw_only=True):
    """What `perdure bench` was asked for."""

    engines: tuple[Engine, ...]
    workloads: tuple[str, ...]
    sizes: Sizes
    clients: int = 1
    json: bool = False
    out: Path | None = None


Results = dict[str, list[Measurement]]


async def run_bench(options: Options) -> None:
    """Run it, and tell what came out.

    Raises:
        CommandLineError: a workload could not be measured, or the results could not be written.
        ServerError: a server is not installed, or does not start.
    """
    console = _console(error=options.json)
    machine = describe_machine()
    workloads = [WORKLOADS[key] for key in options.workloads]
    results: Results = {key: [] for key in options.workloads}
    with Display(console, len(workloads) * len(options.engines)) as display:
        for engine in options.engines:
            await _run_engine(engine, options, workloads, display, machine, results)
    machine.load_after = os.getloadavg()
    for workload in workloads:
        print_table(console, workload, results[workload.key])
    print_machine(console, machine)
    report = as_object(workloads, results, machine)
    if options.out is not None:
        _keep(console, options.out, workloads, results, report)
    if options.json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")


async def _run_engine(
    engine: Engine,
    options: Options,
    workloads: Sequence[Workload],
    display: Display,
    machine: Machine,
    results: Results,
) -> None:
    async with open_servers(engine) as servers:
        machine.servers[engine] = await servers.description()
        for workload in workloads:

            def found(workload: Workload, measured: Measurement) -> None:
                results[workload.key].append(measured)
                display.found(workload, measured)

            display.begin(workload)
            bench = Bench(
                servers, options.sizes, options.clients, found=partial(found, workload), advance=display.doing
            )
            try:
                await workload.run(bench)
            except BenchFailed as failed:
                what = f"{workload.key} on {engine}, {bench.doing or 'starting'}"
                raise CommandLineError(f"{what}: {failed}") from None
            display.end()


def _keep(
    console: Console, folder: Path, workloads: Sequence[Workload], results: Results, report: dict[str, object]
) -> None:
    try:
        console.print(f"figures: {write_json(folder, report)}")
        console.print(f"plots: {', '.join(map(str, draw(folder, workloads, results)))}")
    except NoPlots as missing:
        console.print(str(missing))
    except OSError as error:
        raise CommandLineError(f"{folder} can't be written: {error.strerror}; name another with --out") from None


def _console(*, error: bool) -> Console:
    """With --json, standard output is the figures' alone. A reader that is no terminal gets lines as wide as need be."""
    console = Console(stderr=error, emoji=False, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 260)
    return console
