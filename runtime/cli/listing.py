"""`perdure list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import WrongInput
from runtime.cli.options import Json
from runtime.cli.output import console, duration, json_text, local_time, print_json, print_table
from runtime.cli.running import run_async

if TYPE_CHECKING:
    from eventstore.records import Attributes, Execution, ListedExecution
    from eventstore.store import EventStore

COLOURS = {
    "running": "cyan", "completed": "green", "failed": "red", "cancelled": "yellow", "terminated": "red", "timed_out": "red",
    "stuck": "bold red", "parked": "bold yellow", "paused": "bold yellow", "active": "",
}  # fmt: skip


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command("list")(list_)


def list_(
    type: Annotated[str | None, typer.Option(help="Only this type.")] = None,
    status: Annotated[
        str | None,
        typer.Option(help=f"Only this status: {', '.join(COLOURS)} (actors)."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION", help="Only with this search attribute: customer=ACME, 'total>100'. Repeatable."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """List instances, newest first."""
    if status is not None and status not in COLOURS:
        raise WrongInput(f"--status is one of {', '.join(COLOURS)}, not {status!r}")

    from runtime.conditions import conditions
    from runtime.errors import CommandInvalid

    try:
        met = conditions(where or [])
    except CommandInvalid as error:
        raise WrongInput(f"--where: {error}") from None

    async def read(store: EventStore) -> tuple[list[ListedExecution], dict[tuple[str, str], int]]:
        found = await store.executions(type=type, status=status, where=met, limit=limit)
        return found, {} if met else await store.count_executions()

    found, counts = with_store(servers, read)
    if json:
        for listed in found:
            print_json({"stream": listed.stream, "partition": listed.partition, **row(listed.execution)})
        return
    _print_list(found)
    total = sum(n for (t, s), n in counts.items() if type in (None, t) and status in (None, s))
    if total > len(found):
        console().print(f"{len(found)} of {total}; more with --limit")
    elif met and len(found) == limit:
        console().print(f"the newest {limit}; more with --limit")


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
        "attributes": execution.attributes or {},
    }


def attributes_text(attributes: Attributes | None) -> str:
    """Give search attributes in one line."""
    return " ".join(f"{name}={json_text(value)}" for name, value in (attributes or {}).items())


def _print_list(found: list[ListedExecution]) -> None:
    from rich.table import Table
    from rich.text import Text

    if not found:
        console().print("no instances")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    headings = ["instance", "status", "started", "took", "error"]
    if any(listed.execution.attributes for listed in found):
        headings.insert(4, "attributes")
    for heading in headings:
        table.add_column(heading, no_wrap=heading not in {"error", "attributes"}, overflow="ellipsis")
    for listed in found:
        execution = listed.execution
        table.add_row(
            listed.stream,
            Text(execution.status, COLOURS.get(execution.status, "")),
            local_time(execution.started_at),
            took(execution),
            *([attributes_text(execution.attributes)] if "attributes" in headings else []),
            execution.error or "",
        )
    print_table(table)


def took(execution: Execution) -> str:
    """Say how long it took, nothing while it goes on."""
    if execution.closed_at is None:
        return ""
    return duration((execution.closed_at - execution.started_at).total_seconds())
