"""`perdure list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError
from runtime.cli.options import BrokerUrl, Data, DatabaseUrl, Json
from runtime.cli.output import console, duration, local_time, print_json, print_table
from runtime.cli.running import run_async

if TYPE_CHECKING:
    from eventstore.records import Execution, ListedExecution
    from eventstore.store import EventStore

COLOURS = {
    "running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow", "terminated": "red",
    "stuck": "bold red", "parked": "bold yellow", "active": "",
}  # fmt: skip


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command("list")(list_)


def list_(
    type: Annotated[str | None, typer.Option(help="Only this type.")] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only this status: running, completed, failed, cancelled, terminated, stuck, parked, active (actors)."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    json: Json = False,
    database_url: DatabaseUrl = None,
    broker_url: BrokerUrl = None,
    data: Data = None,
) -> None:
    """List instances, newest first."""
    if status is not None and status not in COLOURS:
        raise CommandLineError(f"--status is one of {', '.join(COLOURS)}, not {status!r}")

    async def read(store: EventStore) -> tuple[list[ListedExecution], dict[tuple[str, str], int]]:
        return await store.executions(type=type, status=status, limit=limit), await store.count_executions()

    found, counts = with_store(Servers(database_url, broker_url, data), read)
    if json:
        for listed in found:
            print_json({"stream": listed.stream, "partition": listed.partition, **row(listed.execution)})
        return
    _print_list(found, sum(n for (t, s), n in counts.items() if type in (None, t) and status in (None, s)))


def with_store(servers: Servers, read: Any) -> Any:
    """Open the log, read from it, and close it."""
    from runtime.assembly import open_store

    async def main() -> Any:
        async with servers.opened() as settings, open_store(settings) as store:
            return await read(store)

    return run_async(main())


def row(execution: Execution) -> dict[str, Any]:
    """Give a row of the listing as JSON."""
    return {
        "status": execution.status,
        "started_at": execution.started_at,
        "updated_at": execution.updated_at,
        "closed_at": execution.closed_at,
        "error": execution.error,
        "correlation_id": execution.correlation_id,
    }


def _print_list(found: list[ListedExecution], total: int) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found:
        console().print("no instances")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("instance", "status", "started", "took", "error"):
        table.add_column(heading, no_wrap=heading != "error", overflow="ellipsis")
    for listed in found:
        execution = listed.execution
        table.add_row(
            listed.stream,
            Text(execution.status, COLOURS.get(execution.status, "")),
            local_time(execution.started_at),
            took(execution),
            execution.error or "",
        )
    print_table(table)
    if total > len(found):
        console().print(f"{len(found)} of {total}; more with --limit")


def took(execution: Execution) -> str:
    """Say how long it took, nothing while it goes on."""
    if execution.closed_at is None:
        return ""
    return duration((execution.closed_at - execution.started_at).total_seconds())
