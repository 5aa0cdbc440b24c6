"""`perdure delayed`: commands that wait until they are due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.instances import with_client
from runtime.cli.options import Json, Target, Timeout, address
from runtime.cli.output import console, json_text, local_time, print_json, print_table

if TYPE_CHECKING:
    from runtime.client import Client


def register(application: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Commands that wait until they are due.", rich_markup_mode=None, no_args_is_help=True)
    group.command("list")(list_)
    group.command()(cancel)
    application.add_typer(group, name="delayed")


def list_(
    of: Annotated[
        str | None, typer.Argument(metavar="TYPE|TYPE/ID", help="Only for this type, or this instance; else all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 50,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """List delayed commands, the soonest first. `perdure send … --after 1h` makes one."""
    from rich.table import Table

    type_, id_ = address(of) if of is not None and "/" in of else (of, None)

    async def work(client: Client) -> Any:
        return await client.delayed.list(type_, id_, limit=limit)

    found = with_client(servers, work)
    if json:
        for each in found:
            print_json({"stream": each.stream, "command_id": each.command_id, "command": each.command, "due_at": each.due_at, "input": each.input})  # fmt: skip
        return
    if not found:
        console().print("no command waits")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("instance", "command id", "command", "due", "input"):
        table.add_column(column, no_wrap=column != "input", overflow="fold")
    for each in found:
        table.add_row(each.stream, each.command_id, each.command, local_time(each.due_at), json_text(each.input))
    print_table(table)


def cancel(
    target: Target,
    command_id: Annotated[str, typer.Argument(metavar="COMMAND-ID", help="Which, as `list` names it.")],
    timeout: Timeout = 30.0,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Cancel a command that waits: it is never handled. Status 1 when it was handled before, or is not known."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.delayed.cancel(type_, id_, command_id, timeout=timeout)

    cancelled = with_client(servers, work)
    if json:
        print_json({"stream": target, "command_id": command_id, "cancelled": cancelled})
    else:
        console().print(
            f"cancelled {command_id} of {target}" if cancelled else f"{target} had handled {command_id} before"
        )
    if not cancelled:
        raise typer.Exit(1)
