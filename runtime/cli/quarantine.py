"""`perdure quarantine`: look at messages that were put aside, send them again, or throw them away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError, WrongInput
from runtime.cli.listing import with_store
from runtime.cli.options import Json
from runtime.cli.output import console, json_text, local_time, print_json, print_table
from runtime.cli.running import run_async

if TYPE_CHECKING:
    from eventstore import EventStore, Quarantined
    from runtime.transport.port import Transport

MOST = 100_000  # rows that are looked through for an id
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Which, as `list` names them.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Messages that were put aside with a reason.", rich_markup_mode=None, no_args_is_help=True)
    group.command("list")(list_)
    for command in (show, redrive, discard):
        group.command()(command)
    application.add_typer(group, name="quarantine")


def list_(
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many.")] = 50,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """List quarantined messages, newest first."""
    from rich.table import Table

    async def read(store: EventStore) -> list[Quarantined]:
        return await store.quarantined(limit=limit)

    found = with_store(servers, read)
    if json:
        for record in found:
            print_json(_row(record))
        return
    if not found:
        console().print("nothing is in quarantine")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "at", "for", "reason"):
        table.add_column(column, no_wrap=column != "reason", overflow="fold")
    for record in found:
        table.add_row(record.id, local_time(record.at), _what(record), record.reason)
    print_table(table)


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="Which, as `list` names it.")],
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Show one message, whole."""

    async def read(store: EventStore) -> list[Quarantined]:
        return await _chosen(store, [id], everything=False)

    [record] = with_store(servers, read)
    shown = _row(record)
    if json:
        print_json(shown)
        return
    for name, value in shown.items():
        console().print(f"{name}: {value if isinstance(value, str) else json_text(value)}")


def redrive(
    ids: Ids = None,
    everything: All = False,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Send messages again, oldest first. Mend what they failed of before; each still counts once."""
    from runtime.redrive import redrive as send_again

    _check(ids, everything=everything)

    async def work(store: EventStore, transport: Transport) -> list[tuple[str, str]]:
        done = []
        for record in await _chosen(store, ids, everything=everything):
            sent = await send_again(store, transport, record, datetime.now(UTC))
            done.append((record.id, "was handled already" if sent is None else f"sent again to {sent.stream}"))
        return done

    _tell(_with_both(servers, work), json=json)


def discard(
    ids: Ids = None,
    everything: All = False,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Throw messages away."""
    _check(ids, everything=everything)

    async def work(store: EventStore) -> list[tuple[str, str]]:
        chosen = [record.id for record in await _chosen(store, ids, everything=everything)]
        await store.forget_quarantined(chosen)
        return [(id, "discarded") for id in chosen]

    _tell(with_store(servers, work), json=json)


def _tell(done: list[tuple[str, str]], *, json: bool) -> None:
    for id, what in done:
        if json:
            print_json({"id": id, "done": what})
        else:
            console().print(f"{id}: {what}")
    if not done and not json:
        console().print("nothing is in quarantine")


def _check(ids: list[str] | None, *, everything: bool) -> None:
    if everything == bool(ids):
        raise WrongInput("which messages? Name their ids (`perdure quarantine list` shows them), or say --all")


async def _chosen(store: EventStore, ids: list[str] | None, *, everything: bool) -> list[Quarantined]:
    """Find records, oldest first; raises `CommandLineError` when one is not there."""
    found = {record.id: record for record in reversed(await store.quarantined(limit=MOST))}
    for id in ids or ():
        if id not in found:
            raise CommandLineError(f"no message {id} is in quarantine; `perdure quarantine list` shows those that are")
    return [record for id, record in found.items() if everything or id in (ids or ())]


def _with_both(servers: Servers, work: Callable[[Any, Any], Awaitable[Any]]) -> Any:
    async def opened() -> Any:
        from runtime.assembly import open_store, open_transport

        async with servers.opened() as settings, open_store(settings) as store, open_transport(settings) as transport:
            return await work(store, transport)

    return run_async(opened())


def _row(record: Quarantined) -> dict[str, Any]:
    return {
        "id": record.id,
        "at": record.at,
        "source": record.source,
        "reason": record.reason,
        "attempts": record.attempts,
        "body": _body(record),
    }


def _body(record: Quarantined) -> Any:
    from actors.codec import decode_any
    from actors.errors import PayloadRefused

    try:
        return decode_any(record.body)
    except PayloadRefused:
        return record.body.decode(errors="backslashreplace")


def _what(record: Quarantined) -> str:
    """Say in a few words what the message is."""
    body = _body(record)
    if not isinstance(body, dict) or "type" not in body:
        return record.source
    return " ".join(
        str(part) for part in (f"{body['type']}/{body.get('id', '')}", body.get("name", body.get("op", "")))
    )
