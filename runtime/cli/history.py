"""`perdure events` and `perdure replay`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.choosing import Subject, read_subject
from runtime.cli.connecting import Servers, app_reference
from runtime.cli.errors import CommandLineError
from runtime.cli.options import AppOption, BrokerUrl, Data, DatabaseUrl, Json
from runtime.cli.output import console, duration, json_text, local_time, print_json, print_table

if TYPE_CHECKING:
    from runtime.cli.replaying import Step


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command()(events)
    application.command()(replay)


def events(
    target: Subject,
    after: Annotated[int, typer.Option(min=0, help="Only events after this version.")] = 0,
    upto: Annotated[int | None, typer.Option(min=1, help="Only events up to this version.")] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    broker_url: BrokerUrl = None,
    data: Data = None,
) -> None:
    """Print an instance's events as they were recorded."""
    from rich.table import Table

    from runtime.cli import journal

    recorded = read_subject(Servers(database_url, broker_url, data), target).events
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


def replay(
    target: Subject,
    app: AppOption = None,
    at: Annotated[int | None, typer.Option("--at", metavar="VERSION", min=1, help="The state at one version.")] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    broker_url: BrokerUrl = None,
    data: Data = None,
) -> None:
    """Show the state after each event. The instance's own code is run over its history; nothing is changed."""
    from actors.names import split_stream
    from runtime.cli.loading import load_app
    from runtime.cli.replaying import replay as steps_of

    servers = Servers(database_url, broker_url, data)
    instance = read_subject(servers, target)
    kind = load_app(app_reference(app, servers)).type(split_stream(instance.stream)[0])
    target, recorded = instance.name, instance.events
    if at is not None and at > recorded[-1].version:
        raise CommandLineError(f"{target} has {recorded[-1].version} events; there is no version {at}")
    steps = steps_of(kind, instance.stream, recorded)
    if at is not None:
        step = next(step for step in steps if step.version == at)
        _print_state(target, step, recorded[-1].version, json=json)
        return
    if json:
        for step in steps:
            print_json(_step(step))
        return
    _print_steps(target, steps)


def _step(step: Step) -> dict[str, Any]:
    return {
        "version": step.version,
        "type": step.type,
        "title": step.title,
        "recorded_at": step.recorded_at,
        "state": step.state,
        "waiting_for": step.waiting_for,
    }


def _print_state(target: str, step: Step, newest: int, *, json: bool) -> None:
    if json:
        print_json(_step(step))
        return
    out = console()
    out.print(f"{target} at version {step.version} of {newest}, after {step.title}")
    out.print_json(data=step.state, indent=2)
    if step.waiting_for:
        out.print("waits for " + "; ".join(step.waiting_for))


def _print_steps(target: str, steps: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    from actors.errors import Bug, Nondeterminism

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("version", justify="right")
    table.add_column("after", justify="right")
    table.add_column("event", no_wrap=True)
    table.add_column("state", overflow="fold")
    first: Step | None = None
    trouble: Exception | None = None
    try:
        for step in steps:
            first = first or step
            after = (step.recorded_at - first.recorded_at).total_seconds()
            changed = ", ".join(f"{name} = {json_text(value)}" for name, value in step.changed.items())
            table.add_row(
                str(step.version), duration(after), step.title, Text(changed or "·", "" if changed else "dim")
            )
    except (Nondeterminism, Bug) as error:
        trouble = error  # what could be replayed is worth seeing all the same
    print_table(table)
    if trouble is not None:
        raise trouble
    console().print(f"\nreplayed {target} without a difference; the state at one version: --at VERSION")
