"""`perdure fork` and `perdure rerun`: new instances out of recorded ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli.choosing import is_file, read_subject
from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError, WrongInput
from runtime.cli.input import read_json
from runtime.cli.instances import with_client
from runtime.cli.options import Json, Target, Timeout, address
from runtime.cli.output import console, print_json

if TYPE_CHECKING:
    from runtime.client import Client

NewId = Annotated[str, typer.Option("--id", metavar="NEW", help="The new instance's id.")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command()(fork)
    application.command()(rerun)


def fork(
    target: Target,
    id: NewId,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", metavar="VERSION", min=1, help="Copy events up to it; default: the last changed one, else all."
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--change", metavar="VERSION=JSON", help="Give fields of an event's data other values. Repeatable."
        ),
    ] = None,
    timeout: Timeout = 30.0,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Make a new instance that begins with events of another one.

    It has the other one's events up to a version, and lives on from there.

    What would have been, if? For example, if the task of version 6 had given something else:
    `perdure fork Order/1 --id what-if --change '6={"result": "declined"}'`. `perdure events` shows each event's fields.

    The original is never changed. What it has open at that version (tasks, timers, children, commands) the new one opens
    anew under its own keys: its tasks run, and their effects in the world happen.
    """
    type_, source = _original(target)
    changes = dict(_change(text) for text in change or [])
    if id == source:
        raise WrongInput(f"--id {id} is the original itself; take another id")
    version = at if at is not None else max(changes) if changes else read_subject(servers, target).newest

    async def work(client: Client) -> Any:
        return await client.fork(type_, source, id, at=version, changes=changes, timeout=timeout)

    created = with_client(servers, work)
    new = f"{type_}/{id}"
    if json:
        print_json({"stream": new, "created": created, "source": target, "version": version})
    elif created:
        console().print(f"forked {target} at version {version}: {new}")
    else:
        console().print(f"{new} was forked from {target} before, the same way")


def rerun(
    target: Target,
    id: Annotated[
        str | None,
        typer.Option("--id", metavar="NEW", help="The new instance's id; default: ID-2, or the next that is free."),
    ] = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Start a new workflow with the input of another one."""
    from actors.journal import RunStarted, decode_event

    type_, source = _original(target)
    first = read_subject(servers, target).events[0]
    started = decode_event(first.type, first.data)
    if not isinstance(started, RunStarted):
        raise CommandLineError(f"{target} is an actor: it has no run. `perdure fork` makes another one with its events")
    new = id or _free_id(servers, type_, source)

    async def work(client: Client) -> Any:
        return await client.start(type_, new, input=started.input)

    created = with_client(servers, work)
    if json:
        print_json({"stream": f"{type_}/{new}", "created": created, "source": target})
    elif created:
        console().print(f"started {type_}/{new} with the input of {target}")
    else:
        console().print(f"{type_}/{new} was started before, with the same input")


def _original(target: str) -> tuple[str, str]:
    if is_file(target):
        raise WrongInput(f"{target} is a file, and the new instance lives in a store: name the original, TYPE/ID")
    return address(target)


def _change(text: str) -> tuple[int, Any]:
    version, equals, value = text.partition("=")
    if not equals or not version.strip().isdigit() or int(version) < 1:
        raise WrongInput(f"--change {text!r}: expected VERSION=JSON, for example 6='{{\"result\": 5}}'")
    return int(version), read_json(f"--change {version}", value)


def _free_id(servers: Servers, type: str, source: str) -> str:
    from runtime.cli.listing import with_store
    from runtime.debugging.choice import first_free

    async def work(store: Any) -> str:
        return await first_free(store, type, source)

    found: str = with_store(servers, work)
    return found
