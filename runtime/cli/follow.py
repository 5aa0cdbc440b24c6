"""`perdure follow`: watch events as they are recorded."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError
from runtime.cli.options import BrokerUrl, Data, DatabaseUrl, Json, address
from runtime.cli.output import console, local_time
from runtime.cli.running import announce, serve

if TYPE_CHECKING:
    from eventstore import EventStore, Position, RecordedEvent, Selection, StoreUnavailable


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(follow)


def follow(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TYPE | TYPE/ID]…", help="Only these types, or only these instances; else everything."),
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only events of this type; may be given several times.")
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the first event, not with the next.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION", help='Begin behind this position: an offset a partition, as in {"0": 12, "3": 7}.'
        ),
    ] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    broker_url: BrokerUrl = None,
    data: Data = None,
) -> None:
    """Print events as they are recorded, until Ctrl-C. With --json a line each, as on the exchange `perdure.events`."""
    from eventstore import Subscription
    from runtime.assembly import open_store

    if from_start and after is not None:
        raise CommandLineError("either --from-start or --after")
    selection = _selection(targets or [], event or [])

    async def work(stop: asyncio.Event) -> None:
        async with Servers(database_url, broker_url, data).opened() as settings, open_store(settings) as store:
            position = await _position(store, from_start=from_start, after=after)
            partitions = _partitions(selection, store.partitions)
            async with Subscription(
                store, after=position, partitions=partitions, selection=selection, on_trouble=_tell
            ) as batches:
                stopping = asyncio.create_task(stop.wait())
                stopping.add_done_callback(lambda _: batches.close())
                announce("READY=1")
                async for batch in batches:
                    _print(batch.events, json=json)
                stopping.cancel()

    serve(work)


def _selection(targets: list[str], events: list[str]) -> Selection:
    from eventstore import Selection

    streams = [target for target in targets if "/" in target]
    for stream in streams:
        address(stream)
    if streams and len(streams) < len(targets):
        raise CommandLineError("either types or instances (TYPE/ID), not both; run the command twice")
    types = () if streams else tuple(targets)
    return Selection(types=types, events=tuple(events), streams=tuple(streams))


def _partitions(selection: Selection, partitions: int) -> list[int] | None:
    from runtime.routing import partition_of

    return [partition_of(stream, partitions) for stream in selection.streams] or None


async def _position(store: EventStore, *, from_start: bool, after: str | None) -> Position:
    from eventstore import Position

    if after is not None:
        return Position.from_json(after)
    return Position() if from_start else Position.at(await store.heads())


def _print(events: list[RecordedEvent], *, json: bool) -> None:
    from runtime.cli import journal
    from runtime.readers.record import event_json

    if json:
        sys.stdout.writelines(f"{event_json(event).decode()}\n" for event in events)
        sys.stdout.flush()
        return
    out = console()
    for event in events:
        out.print(
            f"{local_time(event.recorded_at)}  {event.stream}  {event.version}  {event.type}  {journal.brief(event)}",
            soft_wrap=True,
        )


def _tell(error: StoreUnavailable) -> None:
    console(stderr=True).print(f"perdure: {error}; trying again")
