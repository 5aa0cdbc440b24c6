"""`perdure demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.options import Json


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(demo)


def demo(
    rabbitmq: Annotated[
        bool,
        typer.Option(
            "--rabbitmq",
            help="Over RabbitMQ and Postgres: those of PERDURE_BROKER_URL and PERDURE_DATABASE_URL, or private ones.",
        ),
    ] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Repeats the same kills; default: a new one.")] = None,
    kills: Annotated[int, typer.Option(min=6, max=40, help="How many processes to kill.")] = 8,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the data is kept; default .perdure/demo.")
    ] = None,
    limit: Annotated[float, typer.Option(min=1, help="Give up after so many seconds.")] = 180.0,
    json: Json = False,
) -> None:
    """Process 830 orders while nodes and workers are killed. Then audit what came out."""
    from runtime.cli.running import interruptible, run_async
    from runtime.demo.run import Options, run_demo

    options = Options(rabbitmq=rabbitmq, seed=seed, kills=kills, data=data, limit=limit, json=json)
    if not run_async(interruptible(run_demo(options))):
        raise typer.Exit(1)
