"""`perdure show`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.choosing import Subject, read_subject
from runtime.cli.connecting import Servers
from runtime.cli.listing import COLOURS, attributes_text, row, took
from runtime.cli.options import Json
from runtime.cli.output import console, duration, json_text, local_time, print_json, print_table
from runtime.cli.timeline import Scale, print_timeline

if TYPE_CHECKING:
    from runtime.debugging.instance import Instance

_BRIEF = 100


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(show)


def show(
    target: Subject,
    scale: Annotated[
        Scale, typer.Option(help="What the time line's columns stand for: time, or events where time would crowd them.")
    ] = Scale.AUTO,
    lanes: Annotated[int, typer.Option(metavar="N", min=0, help="Draw at most N lanes; 0: all.")] = 40,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Show what an instance waits for, its time line, its events.

    In the time line each task, timer, child and command is a bar from its beginning to its end; `✗` is a failed attempt,
    `▷` means that it still goes on.
    """
    from runtime.cli import journal
    from runtime.debugging.timeline import timeline

    instance = read_subject(servers, target)
    events = instance.events
    titles = journal.Titles()
    if json:
        print_json(
            {
                "stream": instance.stream,
                **({"status": instance.status} if instance.execution is None else row(instance.execution)),
                "version": events[-1].version,
                "memo": journal.memo(events),
                "waiting_for": journal.open_work(events),
                **journal.ending(events),
                "timeline": timeline(events),
                "events": [
                    {"version": e.version, "type": e.type, "title": titles.of(e), "recorded_at": e.recorded_at}
                    for e in events
                ],
            }
        )
        return
    _print_instance(instance, scale, lanes)


def _print_instance(instance: Instance, scale: Scale, most: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from runtime.cli import journal
    from runtime.debugging.timeline import timeline

    out = console()
    execution, events = instance.execution, instance.events
    status = instance.status or ""
    out.print(Text.assemble((instance.name, "bold"), "  ", (status, COLOURS.get(status, ""))))
    time = _time_taken(instance)
    started = f"started {local_time(events[0].recorded_at)}"
    out.print(started + (f", took {time}" if time else f", {_ago(events[-1].recorded_at)}"))
    if execution is not None and execution.attributes:
        out.print(f"attributes: {attributes_text(execution.attributes)}")
    if (memo := journal.memo(events)) is not None:
        out.print(f"memo: {json_text(memo)}")
    for what, value in journal.ending(events).items():
        out.print(f"{what}: {json_text(value)}")
    if waiting := journal.open_work(events):
        out.print("waits for " + "; ".join(waiting))
    if execution is not None and execution.status in {"stuck", "parked"}:
        out.print(Text(f"{execution.status}: {execution.error or 'see the last event'}", "red"))
    for line in journal.held(events):
        out.print(Text(line, "yellow"))
    out.print()
    if drawn := timeline(events):
        print_timeline(drawn, events, scale=scale, most=most)
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


def _time_taken(instance: Instance) -> str:
    from runtime.cli import journal

    if instance.execution is not None:
        return took(instance.execution)
    events = instance.events
    return duration((events[-1].recorded_at - events[0].recorded_at).total_seconds()) if journal.ending(events) else ""


def _ago(moment: datetime) -> str:
    return f"last event {duration(max(0.0, (datetime.now(UTC) - moment).total_seconds()))} ago"
