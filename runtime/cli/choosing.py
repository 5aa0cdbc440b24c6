"""The options that choose instances of a store, and the arguments that name one: `TYPE/ID`, or a file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from runtime.cli.errors import CommandLineError, WrongInput
from runtime.cli.listing import COLOURS, with_store
from runtime.cli.options import address

if TYPE_CHECKING:
    from eventstore import EventStore
    from runtime.cli.connecting import Servers
    from runtime.debugging.choice import Choice
    from runtime.debugging.instance import Instance

Subject = Annotated[
    str,
    typer.Argument(metavar="TYPE/ID|FILE", help="The instance, for example Order/1, or a file of `perdure export`."),
]
TypeOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only instances of this type.")]
StatusOption = Annotated[str | None, typer.Option("--status", help=f"Only this status: {', '.join(COLOURS)}.")]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those started since: 2026-03-01, 2026-03-01T09:30, or 36h, 7d ago."),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only those started before; as with --since.")]
Sample = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="Not all, but N of them, spread evenly; each time the same ones.")
]

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def choice(type: str | None, status: str | None, since: str | None, until: str | None, sample: int | None) -> Choice:
    """Make a choice of what the options say; raises `CommandLineError`."""
    from runtime.debugging.choice import Choice

    if status is not None and status not in COLOURS:
        raise WrongInput(f"--status is one of {', '.join(COLOURS)}, not {status!r}")
    return Choice(type, status, _time("--since", since), _time("--until", until), sample or 0)


def is_file(subject: str) -> bool:
    """Say whether an argument means a file or a folder and no instance."""
    from actors.history import SUFFIX

    return subject.endswith(SUFFIX) or subject.startswith((".", "/")) or Path(subject).exists()


def read_subject(servers: Servers, subject: str) -> Instance:
    """Read one instance with its events, out of the store or a file.

    Raises:
        CommandLineError: there is none.
        HistoryRefused: the file is damaged.
    """
    if is_file(subject):
        return read_history_file(Path(subject))
    from runtime.debugging.choice import read

    address(subject)

    async def work(store: EventStore) -> Instance | None:
        return await read(store, subject)

    found: Instance | None = with_store(servers, work)
    if found is None:
        raise CommandLineError(f"there is no {subject}; `perdure list` shows what there is")
    return found


def read_history_file(path: Path) -> Instance:
    """Read a file; raises like `read_subject`."""
    from runtime.debugging.files import read_file

    if path.is_dir():
        raise WrongInput(f"{path} is a folder; name one of the files in it")
    try:
        return read_file(path)
    except OSError as error:
        raise CommandLineError(f"{path} can't be read: {error.strerror or error}") from None


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    if (age := _AGE.fullmatch(text)) is not None:
        try:
            return datetime.now(UTC) - timedelta(seconds=float(age[1]) * _UNITS[age[2]])
        except OverflowError:
            raise WrongInput(f"{option} {text}: that is before the year 1") from None
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise WrongInput(
            f"{option} {text!r} is no time: expected 2026-03-01, 2026-03-01T09:30, or an age such as 90m, 36h, 7d"
        ) from None
