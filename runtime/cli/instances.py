"""`perdure start`, `send`, `query`, `result`, `cancel`, `terminate` and `delete`: talk to one instance."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from runtime.cli.connecting import Servers
from runtime.cli.due import due_time, seconds
from runtime.cli.errors import WrongInput
from runtime.cli.input import read_input
from runtime.cli.options import By, CommandId, InputOption, Json, Reason, Target, Timeout, address, who
from runtime.cli.output import console, plain, print_json
from runtime.cli.running import run_async
from runtime.messages import Reuse

if TYPE_CHECKING:
    from actors import RunFailed
    from runtime.client import Client

FOREVER = 0.0
_STATUS = {"RunCancelled": "cancelled", "RunTerminated": "terminated", "RunTimedOut": "timed_out"}
ResultTimeout = Annotated[
    float, typer.Option(metavar="SECONDS", min=0, help="How long to wait for the end; 0: until it comes.")
]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    for command in (start, send, query, result, cancel, terminate, delete):
        application.command()(command)


def start(
    target: Target,
    input: InputOption = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result and print it.")] = False,
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A search attribute for `list --where`. Repeatable.")
    ] = None,
    memo: Annotated[str | None, typer.Option(help="A note for people, text or JSON; `show` prints it.")] = None,
    run_timeout: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="End it so long after its start, such as 90s, 5m, 1h30m, 2d; else its class's."
        ),
    ] = None,
    reuse: Annotated[
        Reuse, typer.Option(help="If it has ended: attach to it and its result, refuse, or restart it with this input.")
    ] = Reuse.ATTACH,
    timeout: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="With --wait: how long to wait for the end; 0: until it comes."),
    ] = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Start a workflow. Its id is the idempotency key: starting it again with the same input changes nothing.

    For example `perdure start Order/1 --input '{"customer": "ada", "cents": 4200}' --run-timeout 30d --wait`.
    """
    type_, id_ = address(target)
    arguments = read_input(input)
    options: Any = {
        "search_attributes": _attributes(attribute or []),
        "memo": None if memo is None else _json_or_text(memo),
        "run_timeout": None if run_timeout is None else seconds("--run-timeout", run_timeout),
        "reuse": reuse,
    }

    async def work(client: Client) -> Any:
        return await client.start(type_, id_, input=arguments, command_id=command_id, **options)

    created = with_client(servers, work)
    if wait:
        _print_result(servers, target, timeout, json=json)
    elif json:
        print_json({"stream": target, "created": created})
    else:
        console().print(f"started {target}" if created else f"{target} was started before, with the same input")


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _attributes(texts: list[str]) -> dict[str, Any]:
    from runtime.conditions import checked_value
    from runtime.errors import CommandInvalid

    pairs = [text.partition("=") for text in texts]
    if odd := [name for name, sign, _ in pairs if not sign]:
        raise WrongInput(f"--attribute is NAME=VALUE, such as customer=ACME, not {odd[0]!r}")
    try:
        return {name: checked_value(name, value) for name, _, value in pairs}
    except CommandInvalid as error:
        raise WrongInput(f"--attribute: {error}") from None


def send(
    target: Target,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="The command's name.")],
    input: InputOption = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return when the broker has the command, not when it was handled.")
    ] = False,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Return when the command is durable, not when it was handled.")
    ] = False,
    start: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Arguments of the run: start the workflow with this command, if need be."),
    ] = None,
    after: Annotated[
        str | None, typer.Option(metavar="TIME", help="Have it handled later, such as 90s, 5m, 1h30m, 2d.")
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Have it handled at a time, such as 2027-01-01T00:00Z.")
    ] = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Send a command, and print what it answers.

    For example `perdure send Order/1 ship --input '{"tracking": "T-7"}'`.
    """
    type_, id_ = address(target)
    arguments, run = read_input(input), None if start is None else read_input(start, "--start")
    later = None if after is None and at is None else due_time(after, at)
    if sum((no_wait, accepted, start is not None, later is not None)) > 1:
        raise WrongInput("--no-wait, --accepted, --start, and --after or --at exclude each other")

    async def publish(client: Client) -> str:
        return await client.send(type_, id_, command, input=arguments, command_id=command_id)

    async def submit(client: Client) -> str:
        what: Any = {"input": arguments, "command_id": command_id, "timeout": timeout}
        if later is not None:
            return await client.call_later(type_, id_, command, **later, **what)
        return await client.submit(type_, id_, command, **what)

    async def call(client: Client) -> Any:
        what: Any = {"input": arguments, "command_id": command_id, "timeout": timeout}
        if run is not None:
            return await client.start_and_call(type_, id_, run, command, **what)
        return await client.call(type_, id_, command, **what)

    if no_wait or accepted or later is not None:
        sent: str = with_client(servers, publish if no_wait else submit)
        if json:
            print_json({"stream": target, "command": command, "command_id": sent})
        else:
            console().print(f"sent {command} to {target}" if no_wait else f"{target} accepted {command} as {sent}")
    else:
        _print_value(with_client(servers, call), json=json, silent=f"{target} took {command}")


def query(
    target: Target,
    name: Annotated[str, typer.Argument(metavar="QUERY", help="The query's name.")],
    input: InputOption = None,
    timeout: Timeout = 30.0,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Ask an instance, and print what it answers. A query changes nothing."""
    type_, id_ = address(target)
    arguments = read_input(input)

    async def work(client: Client) -> Any:
        return await client.query(type_, id_, name, input=arguments, timeout=timeout)

    _print_value(with_client(servers, work), json=json)


def result(
    target: Target,
    timeout: ResultTimeout = FOREVER,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Wait for a workflow's end and print its result. Status 1 when it failed."""
    address(target)
    _print_result(servers, target, timeout, json=json)


def cancel(
    target: Target,
    reason: Reason = "",
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Ask a workflow to cancel: its code hears of it and cleans up. `result` tells how it ended."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.cancel(type_, id_, reason, by=who(by), command_id=command_id, timeout=timeout)

    requested = with_client(servers, work)
    if json:
        print_json({"stream": target, "requested": requested})
    else:
        console().print(f"asked {target} to cancel" if requested else f"{target} was asked to cancel before")


def terminate(
    target: Target,
    reason: Reason = "",
    tree: Annotated[bool, typer.Option("--tree", help="Its children and theirs, too.")] = False,
    by: By = None,
    timeout: Timeout = 30.0,
    command_id: CommandId = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """End a workflow at once, without running its code. Also one that is stuck; its history says so."""
    type_, id_ = address(target)

    async def work(client: Client) -> bool:
        return await client.terminate(type_, id_, reason, tree=tree, by=who(by), command_id=command_id, timeout=timeout)

    terminated = with_client(servers, work)
    if json:
        print_json({"stream": target, "terminated": terminated})
    else:
        console().print(f"terminated {target}" if terminated else f"{target} was terminated before")


def delete(
    target: Target,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: its history is lost.")] = False,
    timeout: Timeout = 30.0,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Delete an instance with all of its history. A workflow must have ended before; `retention` in its class does it by itself."""
    type_, id_ = address(target)
    if not yes:
        raise WrongInput(f"{target} would be gone for good with its history (`perdure export` keeps it); say --yes")

    async def work(client: Client) -> None:
        await client.delete(type_, id_, timeout=timeout)

    with_client(servers, work)
    if json:
        print_json({"stream": target, "deleted": True})
    else:
        console().print(f"deleted {target}")


def _print_result(servers: Servers, target: str, timeout: float, *, json: bool) -> None:
    from actors import RunFailed

    type_, id_ = address(target)

    async def work(client: Client) -> Any:
        return await client.result(type_, id_, timeout=timeout or None)

    try:
        value = with_client(servers, work)
    except RunFailed as failed:
        if json:
            print_json({"status": _STATUS.get(type(failed).__name__, "failed"), "error": _error(failed)})
            raise typer.Exit(1) from None
        raise
    if json:
        print_json({"status": "completed", "result": plain(value)})
    else:
        _print_value(value, json=False, silent=f"{target} completed")


def _error(failed: RunFailed) -> dict[str, Any]:
    return {"type": failed.type, "message": failed.message, "details": plain(failed.details)}


def _print_value(value: Any, *, json: bool, silent: str | None = None) -> None:
    """Print an answer; `silent` is what to say in words when it is null."""
    if json or (value is None and silent is None):
        print_json(plain(value))
    elif value is None:
        console().print(silent)
    else:
        console().print_json(data=plain(value), indent=2)


def with_client(servers: Servers, work: Callable[[Client], Awaitable[Any]]) -> Any:
    """Do something with a client."""
    from runtime.assembly import connect

    settings = servers.settings()

    async def main() -> Any:
        async with connect(settings) as client:
            return await work(client)

    return run_async(main())
