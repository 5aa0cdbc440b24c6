"""`perdure follow`: watch events as they are recorded."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import WrongInput
from runtime.cli.options import Json, address
from runtime.cli.output import console, local_time
from runtime.cli.running import announce, serve

if TYPE_CHECKING:
    from eventstore import Position, RecordedEvent, Selection, StoreUnavailable


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(follow)


def follow(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="TYPE|TYPE/ID", help="Only these types, or only these instances; else everything."),
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only events of this type. Repeatable.")
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
    servers: Servers = Servers(),
) -> None:
    """Print events as they are recorded, until Ctrl-C. With --json a line each, as on the exchange `perdure.events`.

    For example `perdure follow Order --event RunFailed`, or `perdure follow Order/1 --from-start`. When it ends it says how to go
    on from there.
    """
    from eventstore import Position, Subscription
    from runtime.assembly import open_store

    if from_start and after is not None:
        raise WrongInput("either --from-start or --after")
    selection = _selection(targets or [], event or [])
    behind = Position() if from_start else None if after is None else _position(after)

    async def work(stop: asyncio.Event) -> None:
        async with servers.opened() as settings, open_store(settings) as store:
            position = Position.at(await store.heads()) if behind is None else behind
            partitions = _partitions(selection, store.partitions)
            async with Subscription(
                store, after=position, partitions=partitions, selection=selection, on_trouble=_tell
            ) as batches:
                stopping = asyncio.create_task(stop.wait())
                stopping.add_done_callback(lambda _: batches.close())
                announce("READY=1")
                if not json and behind is None:
                    _say("events from now on, until Ctrl-C; those of before with --from-start")
                async for batch in batches:
                    _print(batch.events, json=json)
                stopping.cancel()
                if not json:
                    _say(f"go on from here with --after '{batches.position.to_json().decode()}'")

    serve(work)


def _selection(targets: list[str], events: list[str]) -> Selection:
    from eventstore import Selection

    streams = [target for target in targets if "/" in target]
    for stream in streams:
        address(stream)
    if streams and len(streams) < len(targets):
        raise WrongInput("either types or instances (TYPE/ID), not both; run the command twice")
    types = () if streams else tuple(targets)
    return Selection(types=types, events=tuple(events), streams=tuple(streams))


def _partitions(selection: Selection, partitions: int) -> list[int] | None:
    from runtime.routing import partition_of

    return [partition_of(stream, partitions) for stream in selection.streams] or None


def _position(after: str) -> Position:
    from eventstore import Position, StoreError

    try:
        return Position.from_json(after)
    except StoreError as error:
        raise WrongInput(f"--after: {error}") from None


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
    _say(f"{error}; trying again")


def _say(sentence: str) -> None:
    console(stderr=True).print(f"perdure: {sentence}", soft_wrap=True)
