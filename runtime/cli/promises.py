"""`perdure resolve`: settle what a workflow waits for by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.connecting import Servers
from runtime.cli.errors import WrongInput
from runtime.cli.input import read_value
from runtime.cli.instances import with_client
from runtime.cli.options import CommandId, Json, Target, Timeout, address
from runtime.cli.output import console, json_text, plain, print_json

if TYPE_CHECKING:
    from runtime.client import Client


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(resolve)


def resolve(
    target: Target,
    promise: Annotated[
        str, typer.Argument(metavar="PROMISE", help="The promise's name. `show` tells what an instance waits for.")
    ],
    value: Annotated[
        str | None, typer.Argument(metavar="JSON", help="Its value; @FILE reads a file, - the standard input.")
    ] = None,
    reject: Annotated[
        str | None, typer.Option("--reject", metavar="REASON", help="Settle it with a failure instead.")
    ] = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Give a workflow what it waits for by this name, now or later. The first one wins; others are told what did.

    For example `perdure resolve Offer/7 price 4000`, or `perdure resolve Offer/7 price --reject 'too big'`.
    """
    type_, id_ = address(target)
    if (value is None) == (reject is None):
        raise WrongInput("give the promise's value as JSON, or --reject REASON")
    raw = None if value is None else read_value(value)

    async def work(client: Client) -> Any:
        if reject is not None:
            return await client.reject(type_, id_, promise, reject, command_id=command_id, timeout=timeout)
        return await client.resolve(type_, id_, promise, raw, command_id=command_id, timeout=timeout)

    resolution = with_client(servers, work)
    if json:
        print_json(plain(resolution))
    elif resolution.resolved:
        console().print(f"{'rejected' if reject is not None else 'resolved'} {promise} of {target}")
    elif resolution.error is not None:
        error = resolution.error
        console().print(f"{promise} of {target} was rejected before: {error.type}: {error.message}")
    else:
        console().print(f"{promise} of {target} was resolved before: {json_text(plain(resolution.result))}")
