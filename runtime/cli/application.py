from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

import typer

from runtime.cli.errors import Interrupted, WrongInput, explain

_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # typer brings its own copy of click, or uses click's
FAILED, USAGE = 1, 2
INTERRUPTED = 130


def build() -> typer.Typer:
    """Put the commands together."""
    from runtime.cli import (
        bench,
        correcting,
        delayed,
        demo,
        dev,
        doctor,
        exporting,
        follow,
        forking,
        history,
        instances,
        listing,
        migrating,
        processes,
        projection,
        promises,
        quarantine,
        replaying,
        schedules,
        showing,
    )
    from runtime.cli.shape import Commands, shaped

    panels = {
        "Try it": (demo, bench),
        "Run it": (dev, processes, migrating, doctor),
        "Talk to an instance": (instances, delayed, promises),
        "Put an instance right": (correcting,),
        "Look at what is there": (listing, showing, history, follow, exporting),
        "Debug by replay": (replaying, forking),
        "Look after": (schedules, projection, quarantine),
    }
    application = typer.Typer(
        name="perdure",
        cls=Commands,
        help="Durable workflows and actors on Postgres and RabbitMQ.",
        epilog="`perdure COMMAND --help` tells more of each. Servers are named by PERDURE_DATABASE_URL and PERDURE_BROKER_URL.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback()(_version_option)
    for panel, modules in panels.items():
        for module in modules:
            module.register(application)
            for command in shaped(application):
                command.rich_help_panel = panel
    return application


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line; gives the process's exit status."""
    for chatty in ("aio_pika", "aiormq"):  # what they would say of a lost connection, the error says better
        logging.getLogger(chatty).addHandler(logging.NullHandler())
    try:
        status = build()(list(arguments) or ["--help"], prog_name="perdure", standalone_mode=False)
        sys.stdout.flush()
    except _USAGE_ERROR as error:
        return _say(_usage(error), USAGE)
    except (KeyboardInterrupt, typer.Abort, Interrupted):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has heard enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if (sentence := explain(error)) is None:
            raise
        return _say(sentence, USAGE if isinstance(error, WrongInput) else FAILED)
    return status if isinstance(status, int) else 0


def _say(sentence: str, status: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"perdure: {sentence}\n")
    return status


def _usage(error: Exception) -> str:
    message = getattr(error, "format_message", error.__str__)().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{message}; see `{context.command_path if context else 'perdure'} --help`"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError
        from importlib.metadata import version as version_of

        try:
            typer.echo(f"perdure {version_of('perdure')}")
        except PackageNotFoundError:
            typer.echo("perdure, from a source tree that is not installed")
        raise typer.Exit


def _version_option(
    version: bool = typer.Option(
        False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Take the options that stand before the command."""
