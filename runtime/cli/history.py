"""`perdure events`."""

from __future__ import annotations

from typing import Annotated

import typer

from runtime.cli.choosing import Subject, read_subject
from runtime.cli.connecting import Servers
from runtime.cli.options import Json
from runtime.cli.output import json_text, local_time, print_json, print_table


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(events)


def events(
    target: Subject,
    after: Annotated[int, typer.Option(min=0, help="Only events after this version.")] = 0,
    upto: Annotated[int | None, typer.Option(min=1, help="Only events up to this version.")] = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Print an instance's events as they were recorded."""
    from rich.table import Table

    from runtime.cli import journal

    recorded = read_subject(servers, target).events
    chosen = [event for event in recorded if after < event.version <= (upto or recorded[-1].version)]
    if json:
        for event in chosen:
            print_json(
                {
                    "stream": event.stream,
                    "version": event.version,
                    "type": event.type,
                    "data": journal.payload(event),
                    "recorded_at": event.recorded_at,
                    "partition": event.partition,
                    "offset": event.offset,
                    "epoch": event.epoch,
                    "schema": event.schema,
                    "causation_id": event.causation_id,
                    "correlation_id": event.correlation_id,
                }
            )
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("version", justify="right")
    table.add_column("recorded", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("data", overflow="fold")
    for event in chosen:
        table.add_row(str(event.version), local_time(event.recorded_at), event.type, json_text(journal.payload(event)))
    print_table(table)
