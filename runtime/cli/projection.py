"""`perdure projection`: keep tables in step with the log, see how far they are, make them anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import Struct

from runtime.cli.connecting import Servers
from runtime.cli.options import Json
from runtime.cli.output import console, local_time, print_json, print_table
from runtime.cli.processes import LogJson, LogLevel, configure_logs
from runtime.cli.running import announce, run_async, serve

if TYPE_CHECKING:
    from runtime.readers.checkpoints import Checkpoint

Reference = Annotated[
    str, typer.Argument(metavar="MODULE:PROJECTIONS", help="The projections, for example stocked:projections.")
]


class State(Struct):
    """How far one reader of the log is."""

    name: str
    done: int  # events that are behind it
    lag: int  # events that are before it
    moved_at: datetime
    owners: list[str]  # processes at work
    trouble: str | None


def register(application: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Tables that are kept in step with the events.", rich_markup_mode=None, no_args_is_help=True
    )
    group.command("list")(list_)
    for command in (run, rebuild):
        group.command()(command)
    application.add_typer(group, name="projection")


def run(
    projections: Reference,
    name: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this one. Repeatable.")] = None,
    partition: Annotated[
        list[int] | None, typer.Option(metavar="N", min=0, help="Only this partition. Repeatable.")
    ] = None,
    servers: Servers = Servers(),
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Run projections until SIGTERM or Ctrl-C. A second process waits until the first one is gone."""
    from runtime.assembly import run_projections
    from runtime.cli.loading import load_projections

    configure_logs(log_level, json=log_json)
    settings = servers.settings()
    loaded = load_projections(projections)

    async def work(stop: asyncio.Event) -> None:
        await run_projections(
            loaded, settings, stop, lambda: announce("READY=1"), names=name or (), partitions=partition
        )

    serve(work)


def list_(json: Json = False, servers: Servers = Servers()) -> None:
    """List what reads the log from a checkpoint, and how far it is. Also what is before it, and what is wrong."""
    from rich.table import Table

    states = run_async(_states(servers))
    if json:
        for state in states:
            print_json(state)
        return
    if not states:
        console().print("no projection has run yet; start one with `perdure projection run module:projections`")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("projection", "done", "lag", "moved", "run by", "trouble"):
        table.add_column(column, no_wrap=column != "trouble", overflow="fold")
    for state in states:
        owners = ", ".join(state.owners) or "nobody"
        trouble = state.trouble or ""
        table.add_row(state.name, str(state.done), str(state.lag), local_time(state.moved_at), owners, trouble)
    print_table(table)


def rebuild(
    projections: Reference,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which, as `list` names it.")],
    servers: Servers = Servers(),
) -> None:
    """Empty a projection's tables and apply all events again. Whoever runs it begins anew; else the next run does."""
    from runtime.cli.loading import load_projections
    from runtime.readers.projector import rebuild as begin_anew

    chosen = load_projections(projections).get(name)

    async def work() -> int:
        async with servers.opened() as settings:
            return await begin_anew(chosen, settings.tables_url)

    if run_async(work()):
        console().print(f"{name} begins at the first event again")
    else:
        console().print(f"{name} never ran: there is nothing to rebuild")


async def _states(servers: Servers) -> list[State]:
    from runtime.assembly import open_store
    from runtime.readers.checkpoints import list_checkpoints

    async with servers.opened() as settings, open_store(settings) as store:
        urls = dict.fromkeys((settings.database_url, settings.tables_url))
        found = [checkpoint for url in urls for checkpoint in await list_checkpoints(url)]
        heads = await store.heads()
    return [_state(name, list(of_one), heads) for name, of_one in groupby(found, lambda found: found.reader)]


def _state(name: str, checkpoints: Sequence[Checkpoint], heads: Sequence[int]) -> State:
    positions = {checkpoint.partition: checkpoint.position for checkpoint in checkpoints}
    return State(
        name,
        done=sum(positions.values()),
        lag=sum(max(0, heads[partition] - position) for partition, position in positions.items()),
        moved_at=max(checkpoint.moved_at for checkpoint in checkpoints),
        owners=sorted({checkpoint.owner for checkpoint in checkpoints if checkpoint.owner}),
        trouble=next((checkpoint.trouble for checkpoint in checkpoints if checkpoint.trouble), None),
    )
