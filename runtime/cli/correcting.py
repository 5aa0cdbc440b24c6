"""`perdure pause`, `resume`, `retry`, `restart` and `skip`: put an instance right, with a trace of who did it and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import UNSET

from runtime.cli.connecting import Servers
from runtime.cli.errors import WrongInput
from runtime.cli.input import read_input, read_value
from runtime.cli.instances import with_client
from runtime.cli.options import By, CommandId, InputOption, Json, Reason, Target, Timeout, address, who
from runtime.cli.output import console, print_json

if TYPE_CHECKING:
    from runtime.client import Client


def register(application: typer.Typer) -> None:
    """Add the commands."""
    for command in (pause, resume, retry, restart, skip):
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


def retry(
    target: Target,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Have a failed workflow go on from its failed step. One that is stuck is tried at once."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.corrections.retry(type_, id_, reason, by=who(by), command_id=command_id, timeout=timeout)

    corrected = with_client(servers, work)
    _say(target, corrected, f"{target} goes on", f"{target} has not failed: it runs", json=json)


def restart(
    target: Target,
    input: InputOption = None,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Have a workflow that has ended begin again.

    Under the same id: as it was started last, or with other --input.
    """
    type_, id_ = address(target)
    arguments = None if input is None else read_input(input)

    async def work(client: Client) -> None:
        await client.corrections.restart(
            type_, id_, reason, input=arguments, by=who(by), command_id=command_id, timeout=timeout
        )

    with_client(servers, work)
    _say(target, True, f"restarted {target}", "", json=json)


def skip(
    target: Target,
    step: Annotated[int, typer.Option("--step", metavar="N", help="Its number, as in `show`: 7 for #7.")],
    result: Annotated[
        str | None,
        typer.Option("--result", metavar="JSON", help="What it gives; @FILE reads a file, - the standard input."),
    ] = None,
    fail: Annotated[str | None, typer.Option("--fail", metavar="MESSAGE", help="Have it fail instead.")] = None,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Settle by hand what a workflow waits for. A task, a timer, a child, a command to another actor; also of one that is stuck."""
    type_, id_ = address(target)
    if step < 1:
        raise WrongInput(f"--step {step}: steps are numbered from 1, as `show` has them")
    if result is not None and fail is not None:
        raise WrongInput("--result and --fail exclude each other")
    value: Any = UNSET if result is None else read_value(result, "--result")

    async def work(client: Client) -> None:
        await client.corrections.skip(
            type_, id_, step, result=value, fail=fail, reason=reason, by=who(by), command_id=command_id, timeout=timeout
        )

    with_client(servers, work)
    _say(target, True, f"settled #{step} of {target}", "", json=json)


def _say(target: str, corrected: bool, done: str, nothing: str, *, json: bool) -> None:
    if json:
        print_json({"stream": target, "corrected": corrected})
    else:
        console().print(done if corrected else nothing)
