"""`perdure migrate`."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.connecting import Servers
from runtime.cli.options import AppOption, Json
from runtime.cli.output import console, print_json
from runtime.cli.running import run_async


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(migrate)


def migrate(
    app: AppOption = None,
    partitions: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Fixed when the store is created; default 8.")
    ] = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Create or upgrade the database schema and the broker's queues. Safe to run again."""
    from runtime.assembly import migrate as apply
    from runtime.cli.loading import load_app

    settings = servers.settings(partitions=partitions)
    applied = run_async(apply(settings, None if app is None else load_app(app)))
    if json:
        print_json({"applied": applied})
    elif applied:
        console().print("\n".join(f"applied {name}" for name in applied))
    else:
        console().print("nothing to do: schema and topology are up to date")
    if app is None and not json:
        console(stderr=True).print("hint: with --app module:app the queues of its tasks are declared, too")
