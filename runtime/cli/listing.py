"""`perdure list` and `perdure show`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError
from runtime.cli.options import BrokerUrl, Data, DatabaseUrl, Json, Target, address
from runtime.cli.output import console, duration, json_text, local_time, print_json, print_table
from runtime.cli.running import run_async

if TYPE_CHECKING:
    from eventstore.records import Execution, ListedExecution, RecordedEvent
    from eventstore.store import EventStore

COLOURS = {"running": "cyan", "completed": "green", "failed": "red", "stuck": "bold red", "active": ""}
_BRIEF = 100


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command("list")(list_)
    application.command()(show)


def list_(
    type: Annotated[str | None, typer.Option(help="Only this type.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only this status: running, completed, failed, stuck, active (actors).")
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
            print_json({"stream": listed.stream, "partition": listed.partition, **_row(listed.execution)})
        return
    _print_list(found, sum(n for (t, s), n in counts.items() if type in (None, t) and status in (None, s)))


def show(
    target: Target,
    json: Json = False,
    database_url: DatabaseUrl = None,
    broker_url: BrokerUrl = None,
    data: Data = None,
) -> None:
    """Show an instance: status, what it waits for, timeline."""
    from runtime.cli import journal

    address(target)
    execution, events = read_instance(Servers(database_url, broker_url, data), target)
    titles = journal.Titles()
    if json:
        print_json(
            {
                "stream": target,
                **({} if execution is None else _row(execution)),
                "version": events[-1].version,
                "waiting_for": journal.open_work(events),
                **journal.ending(events),
                "events": [
                    {"version": e.version, "type": e.type, "title": titles.of(e), "recorded_at": e.recorded_at}
                    for e in events
                ],
            }
        )
        return
    _print_instance(target, execution, events)


def read_instance(servers: Servers, stream: str) -> tuple[Execution | None, list[RecordedEvent]]:
    """Read a stream's row and all of its events.

    Raises:
        CommandLineError: there is no such stream.
    """

    async def read(store: EventStore) -> tuple[Execution | None, list[RecordedEvent]]:
        return await store.execution(stream), await store.read_stream(stream)

    execution, events = with_store(servers, read)
    if not events:
        raise CommandLineError(f"there is no {stream}; `perdure list` shows what there is")
    return execution, events


def with_store(servers: Servers, read: Any) -> Any:
    """Open the log, read from it, and close it."""
    from runtime.assembly import open_store

    async def main() -> Any:
        async with servers.opened() as settings, open_store(settings) as store:
            return await read(store)

    return run_async(main())


def _row(execution: Execution) -> dict[str, Any]:
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
            _took(execution),
            execution.error or "",
        )
    print_table(table)
    if total > len(found):
        console().print(f"{len(found)} of {total}; more with --limit")


def _took(execution: Execution) -> str:
    if execution.closed_at is None:
        return ""
    return duration((execution.closed_at - execution.started_at).total_seconds())


def _print_instance(stream: str, execution: Execution | None, events: list[RecordedEvent]) -> None:
    from rich.table import Table
    from rich.text import Text

    from runtime.cli import journal

    out = console()
    status = "" if execution is None else execution.status
    out.print(Text.assemble((stream, "bold"), "  ", (status, COLOURS.get(status, ""))))
    took = "" if execution is None else _took(execution)
    started = f"started {local_time(events[0].recorded_at)}"
    out.print(started + (f", took {took}" if took else f", {_ago(events[-1].recorded_at)}"))
    for what, value in journal.ending(events).items():
        out.print(f"{what}: {json_text(value)}")
    if waiting := journal.open_work(events):
        out.print("waits for " + "; ".join(waiting))
    if execution is not None and execution.status == "stuck":
        out.print(Text(f"stuck: {execution.error or 'see the last event'}", "red"))
    out.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("version", justify="right")
    table.add_column("after", justify="right")
    table.add_column("event", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis", max_width=_BRIEF)
    titles, epoch = journal.Titles(), events[0].epoch
    for event in events:
        if event.epoch != epoch:
            epoch = event.epoch
            table.add_row("", "", Text(f"── another owner of the partition: epoch {epoch} ──", "yellow"), "")
        after = (event.recorded_at - events[0].recorded_at).total_seconds()
        table.add_row(str(event.version), duration(after), titles.of(event), Text(journal.brief(event), "dim"))
    print_table(table)


def _ago(moment: datetime) -> str:
    return f"last event {duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"
