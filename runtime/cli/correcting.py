"""`perdure pause` and `resume`: put an instance right, with a trace of who did it and why."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.connecting import Servers
from runtime.cli.instances import Reason, with_client
from runtime.cli.options import CommandId, Json, Target, Timeout, address
from runtime.cli.output import console, print_json

if TYPE_CHECKING:
    from runtime.client import Client

By = Annotated[
    str | None, typer.Option("--by", metavar="WHO", help="Who does it; kept in the history. Default: the user's name.")
]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume):
        application.command()(command)


def pause(
    target: Target,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Hold a workflow until `resume`. What comes to it is recorded; its code does not run."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.corrections.pause(type_, id_, reason, by=who(by), command_id=command_id, timeout=timeout)

    corrected = with_client(servers, work)
    _say(target, corrected, f"paused {target}", f"{target} was paused before", json=json)


def resume(
    target: Target,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Let a paused workflow go on. Its code hears of what came meanwhile."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.corrections.resume(type_, id_, reason, by=who(by), command_id=command_id, timeout=timeout)

    corrected = with_client(servers, work)
    _say(target, corrected, f"{target} goes on", f"{target} is not paused", json=json)


def who(by: str | None) -> str:
    """Say who corrects: what was given, else the user's name, if the system knows one."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return ""


def _say(target: str, corrected: bool, done: str, nothing: str, *, json: bool) -> None:
    if json:
        print_json({"stream": target, "corrected": corrected})
    else:
        console().print(done if corrected else nothing)
