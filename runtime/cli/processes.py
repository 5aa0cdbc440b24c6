"""`perdure node` and `perdure worker`."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from runtime.cli.connecting import Servers
from runtime.cli.options import AppArgument
from runtime.cli.running import announce, serve

LogLevel = Annotated[
    str, typer.Option(metavar="LEVEL", help="debug, info, warning or error.", envvar="PERDURE_LOG_LEVEL")
]
LogJson = Annotated[bool, typer.Option("--log-json", help="Log JSON lines.", envvar="PERDURE_LOG_JSON")]


def register(application: typer.Typer) -> None:
    """Add the commands."""
    application.command()(node)
    application.command()(worker)


def node(
    app: AppArgument,
    name: Annotated[str | None, typer.Option(help="The node's name; default: host and process id.")] = None,
    publish_events: Annotated[
        str | None,
        typer.Option(metavar="WHICH", help="Publish every event to RabbitMQ: all, or new ones; default off."),
    ] = None,
    servers: Servers = Servers(),
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Host actors and workflows until SIGTERM or Ctrl-C."""
    from runtime.assembly import run_node
    from runtime.cli.loading import load_app

    configure_logs(log_level, json=log_json)
    settings = servers.settings(node_name=name, publish_events=publish_events)
    loaded = load_app(app)

    async def work(stop: asyncio.Event) -> None:
        await run_node(loaded, settings, stop, _ready)

    serve(work)


def worker(
    app: AppArgument,
    queue: Annotated[list[str] | None, typer.Option(metavar="QUEUE", help="Only this task queue. Repeatable.")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, help="Tasks to run at once.")] = None,
    servers: Servers = Servers(),
    log_level: LogLevel = "info",
    log_json: LogJson = False,
) -> None:
    """Run tasks until SIGTERM or Ctrl-C."""
    from runtime.assembly import run_worker
    from runtime.cli.errors import CommandLineError, WrongInput
    from runtime.cli.loading import load_app

    configure_logs(log_level, json=log_json)
    settings = servers.settings(task_concurrency=concurrency)
    loaded = load_app(app)
    queues = frozenset(queue or loaded.task_queues)
    if unknown := queues - loaded.task_queues:
        known = ", ".join(sorted(loaded.task_queues)) or "none"
        raise WrongInput(f"{app} has no tasks on queue {', '.join(sorted(unknown))}; its queues: {known}")
    if not queues:
        raise CommandLineError(f"{app} has no tasks for a worker: local tasks run inside the nodes")

    async def work(stop: asyncio.Event) -> None:
        await run_worker(loaded, settings, sorted(queues), stop, _ready)

    serve(work)


def configure_logs(level: str, *, json: bool) -> None:
    """Set up logging; raises `CommandLineError` for a level that does not exist."""
    from runtime import logs
    from runtime.cli.errors import WrongInput

    if level.lower() not in ("debug", "info", "warning", "error"):
        raise WrongInput(f"--log-level is debug, info, warning or error, not {level!r}")
    logs.configure(level.lower(), json=json)


def _ready() -> None:
    announce("READY=1")
