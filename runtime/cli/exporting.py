"""`perdure export`: histories into files, to look at and to replay where there are no servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.choosing import Sample, Since, StatusOption, TypeOption, Until, choice, is_file, read_subject
from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError, WrongInput
from runtime.cli.listing import with_store
from runtime.cli.options import address
from runtime.cli.output import console

if TYPE_CHECKING:
    from eventstore import EventStore
    from runtime.debugging.choice import Choice


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(export)


def export(
    target: Annotated[
        str | None, typer.Argument(metavar="TYPE/ID", help="One instance. Without it: all that the options choose.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE|FOLDER", help="Where to; a folder gets a file an instance: TYPE/ID.jsonl."
        ),
    ] = None,
    type: TypeOption = None,
    status: StatusOption = None,
    since: Since = None,
    until: Until = None,
    sample: Sample = None,
    servers: Servers = Servers(),
) -> None:
    """Write whole histories to files: of one instance, or of many.

    One goes to a file, many go to a folder. A file is JSON Lines: a header, then an event a line. `events`, `show` and `replay` take it in place of TYPE/ID,
    with no server. It holds what the instance was told and answered: treat it like the database.
    """
    chosen = choice(type, status, since, until, sample)
    if target is None:
        if output is None:
            raise WrongInput("export what? Name an instance, TYPE/ID; or a folder with -o for many of them")
        _export_many(servers, chosen, output)
        return
    if any(option is not None for option in (type, status, since, until, sample)):
        raise WrongInput("name an instance, or choose many with --type, --status, --since, --until, --sample; not both")
    if is_file(target):
        raise WrongInput(f"{target} is a file; name an instance of the store: TYPE/ID")
    _export_one(servers, target, output)


def _export_one(servers: Servers, target: str, output: Path | None) -> None:
    from actors.history import write_history
    from runtime.debugging.files import file_of, write_file

    address(target)
    instance = read_subject(servers, target)
    if output is None:
        sys.stdout.buffer.writelines(write_history(target, instance.events, status=instance.status))
        return
    path = file_of(output, target) if output.is_dir() else output
    try:
        write_file(path, instance)
    except OSError as error:
        raise CommandLineError(f"{path} can't be written: {error.strerror or error}") from None
    console().print(f"{path}: {target}, {instance.newest} events")


def _export_many(servers: Servers, chosen: Choice, folder: Path) -> None:
    from runtime.debugging import choice as choosing
    from runtime.debugging.files import file_of, write_file

    if folder.exists() and not folder.is_dir():
        raise WrongInput(f"{folder} is a file; name a folder for many instances")

    async def work(store: EventStore) -> tuple[int, int]:
        files = events = 0
        for listed in await choosing.chosen(store, chosen):
            instance = await choosing.read(store, listed.stream)
            if instance is not None:
                write_file(file_of(folder, listed.stream), instance)
                files, events = files + 1, events + instance.newest
        return files, events

    try:
        files, events = with_store(servers, work)
    except OSError as error:
        raise CommandLineError(f"{error.filename or folder} can't be written: {error.strerror or error}") from None
    if not files:
        raise CommandLineError("no instance is like that; `perdure list` shows what there is")
    console().print(f"{folder}: {files} instances, {events} events")
