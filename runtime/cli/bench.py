"""`perdure bench`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.errors import WrongInput
from runtime.cli.options import Json

if TYPE_CHECKING:
    from runtime.bench.servers import Engine


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(bench)


def bench(
    engine: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="rabbitmq (with an installed Postgres), embedded (Postgres alone, from the wheel), or both.",
        ),
    ] = "both",
    only: Annotated[str | None, typer.Option(metavar="W1,W5", help="Only these workloads; default: w1 to w9.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: to see that it works, not to compare.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Largest sizes, with a million sleeping instances.")] = False,
    clients: Annotated[int, typer.Option(min=1, max=16, help="How many client processes.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the figures (JSON) and plots (SVG) there.")
    ] = None,
    json: Json = False,
) -> None:
    """Measure throughput, latency and CPU on private servers. They wait for the disk, as yours do."""
    from runtime.bench.run import Options, run_bench
    from runtime.bench.sizes import FULL, QUICK, USUAL
    from runtime.cli.running import interruptible, run_async

    if quick and full:
        raise WrongInput("--quick and --full are opposites; give one of them")
    options = Options(
        engines=_engines(engine),
        workloads=_workloads(only),
        sizes=QUICK if quick else FULL if full else USUAL,
        clients=clients,
        json=json,
        out=out,
    )
    run_async(interruptible(run_bench(options)))


def _engines(name: str) -> tuple[Engine, ...]:
    from runtime.bench.servers import Engine

    if name == "both":
        return tuple(Engine)
    if name not in list(Engine):
        raise WrongInput(f"--engine is {', '.join(Engine)} or both, not {name!r}")
    return (Engine(name),)


def _workloads(only: str | None) -> tuple[str, ...]:
    from runtime.bench.workloads import WORKLOADS

    if only is None:
        return tuple(WORKLOADS)
    wanted = {key.strip().lower() for key in only.split(",")}
    if unknown := wanted - WORKLOADS.keys():
        raise WrongInput(f"--only names {', '.join(sorted(unknown)) or 'nothing'}; there are {', '.join(WORKLOADS)}")
    return tuple(key for key in WORKLOADS if key in wanted)
