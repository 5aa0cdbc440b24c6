"""The options and arguments that several commands share."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from runtime.cli.errors import WrongInput

Target = Annotated[str, typer.Argument(metavar="TYPE/ID", help="The instance, for example ProcessOrder/10248.")]
AppArgument = Annotated[str, typer.Argument(metavar="MODULE:APP", help="The application, for example shop:app.")]
AppOption = Annotated[
    str | None, typer.Option("--app", metavar="MODULE:APP", help="The application, for example shop:app.")
]
DatabaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Postgres; default: PERDURE_DATABASE_URL, then what runs in --data.")
]
BrokerUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="RabbitMQ; default: PERDURE_BROKER_URL. Without, Postgres carries the messages."),
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Data folder of `perdure dev` or the demo; default: PERDURE_DATA, .perdure."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
InputOption = Annotated[
    str | None,
    typer.Option("--input", metavar="JSON", help="Arguments by name; @FILE reads a file, - the standard input."),
]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=0.001, help="How long to wait for the answer.")]
CommandId = Annotated[
    str | None, typer.Option(metavar="ID", help="The idempotency key: the same id is never handled twice.")
]

Reason = Annotated[str, typer.Option(help="Why, for people; kept in the history.")]
By = Annotated[
    str | None, typer.Option("--by", metavar="WHO", help="Who does it; kept in the history. Default: the user's name.")
]


def who(by: str | None) -> str:
    """Say who does something by hand: what was given, else the user's name, if the system knows one."""
    if by is not None:
        return by
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return ""


def address(target: str) -> tuple[str, str]:
    """Split TYPE/ID.

    Raises:
        WrongInput: it is not of that form.
    """
    from actors.errors import InvalidId
    from actors.names import split_stream

    try:
        return split_stream(target)
    except InvalidId as error:
        raise WrongInput(str(error)) from None
