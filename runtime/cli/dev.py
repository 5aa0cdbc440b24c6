"""`perdure dev`: everything in one process, with a database of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import typer

from runtime.cli.connecting import Servers
from runtime.cli.data_folder import DataFolder, Description, ServerKind, data_folder
from runtime.cli.options import AppArgument, Data
from runtime.cli.output import console
from runtime.cli.processes import LogJson, LogLevel, configure_logs
from runtime.cli.running import announce, serve

if TYPE_CHECKING:
    from actors import App
    from runtime.settings import Settings


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(dev)


def dev(app: AppArgument, data: Data = None, log_level: LogLevel = "warning", log_json: LogJson = False) -> None:
    """Run a node, a worker and a private Postgres until Ctrl-C. The data is kept for the next time."""
    from runtime.cli.loading import load_app

    configure_logs(log_level, json=log_json)
    loaded = load_app(app)
    folder = data_folder(data)
    kind = folder.description.server if folder.exists else ServerKind.EMBEDDED
    database = folder.description.database if folder.exists else "perdure"
    folder.describe(Description(kind, database, app))

    async def work(stop: asyncio.Event) -> None:
        await _run(loaded, app, folder, stop)

    serve(work)


async def _run(app: App, reference: str, folder: DataFolder, stop: asyncio.Event) -> None:
    import os

    from runtime.assembly import migrate

    async with folder.server() as server:
        url = await _database(folder, server.url)
        settings = Servers(data=folder.path).settings()
        await migrate(settings, app)
        # The user's tasks may want the database, too.
        os.environ["PERDURE_DATABASE_URL"] = url
        await _serve(app, settings, stop, lambda: _welcome(reference, folder, url))
        announce("STOPPING=1")


async def _serve(app: App, settings: Settings, stop: asyncio.Event, ready: object) -> None:
    from runtime.assembly import run_node, run_worker

    parts = 2 if app.task_queues else 1

    def one_is_ready() -> None:
        nonlocal parts
        parts -= 1
        if parts == 0 and callable(ready):
            ready()

    async with asyncio.TaskGroup() as group:
        group.create_task(run_node(app, settings, stop, one_is_ready), name="node")
        if app.task_queues:
            group.create_task(run_worker(app, settings, None, stop, one_is_ready), name="worker")


async def _database(folder: DataFolder, admin_url: str) -> str:
    """Create the folder's database when the server is new; gives its address."""
    from runtime.servers import ServerError, create_database, database_url

    name = folder.description.database
    try:
        return await create_database(admin_url, name)
    except ServerError:  # it is there: the folder was used before
        return database_url(admin_url, name)


def _welcome(reference: str, folder: DataFolder, url: str) -> None:
    from runtime.cli.data_folder import DEFAULT

    flag = "" if folder.path == DEFAULT else f" --data {folder.path}"
    console().print(
        f"{reference} runs; Ctrl-C ends it. The data is kept in {folder.path}.\n"
        f"  database  {url}\n"
        f"In another terminal:\n"
        f"  perdure start TYPE/ID --input '{{…}}'{flag}\n"
        f"  perdure list{flag}\n"
        f"  perdure doctor{flag}"
    )
    announce("READY=1")
