"""`perdure doctor`: is everything there that a node needs, and what to do when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer
from msgspec import Struct

from runtime.cli.connecting import Servers
from runtime.cli.errors import explain
from runtime.cli.options import AppOption, Json
from runtime.cli.output import console, duration, print_json
from runtime.cli.running import run_async

if TYPE_CHECKING:
    import asyncpg

    from actors import App
    from eventstore.store import EventStore
    from runtime.settings import Settings
    from runtime.transport.port import Transport

OLDEST_POSTGRES = 140_000
PATIENCE = 15.0  # seconds for one check

_SERVER = """
SELECT current_setting('server_version_num')::integer AS number, current_setting('server_version') AS version,
       current_setting('fsync') = 'on' AND current_setting('synchronous_commit') <> 'off' AS durable
"""
_NODES = "SELECT count(*) FROM perdure.nodes WHERE expires_at > now()"
_LEASES = """
SELECT count(*) FILTER (WHERE owner IS NULL OR expires_at <= now()) AS free, count(*) AS partitions
FROM perdure.partitions
"""
_OUTBOX = "SELECT count(*) AS waiting, extract(epoch FROM now() - min(due_at))::float AS late FROM perdure.outbox"


class Finding(Struct, frozen=True):
    """What one check found. `ok` is False when something has to be done."""

    check: str
    ok: bool
    message: str


def register(application: typer.Typer) -> None:
    """Add the command."""
    application.command()(doctor)


def doctor(
    app: AppOption = None,
    json: Json = False,
    servers: Servers = Servers(),
) -> None:
    """Check servers, schema, queues and leases, and say what to do. Status 1 when something is wrong."""
    from runtime.cli.loading import load_app

    loaded = None if app is None else load_app(app)

    async def main() -> bool:
        well = True
        async with servers.opened() as settings:
            async for finding in examine(settings, loaded):
                well = well and finding.ok
                _print(finding, json=json)
        return well

    if not run_async(main()):
        raise typer.Exit(1)


async def examine(settings: Settings, app: App | None) -> AsyncIterator[Finding]:
    """Check one thing after the other; what depends on something that is missing is left out."""
    async with AsyncExitStack() as opened:
        database = await _database(settings)
        yield database
        store = None
        if database.ok:
            store, schema = await _schema(settings, opened)
            yield schema
        if settings.broker_url is not None or store is not None:
            transport, broker = await _broker(settings, opened)
            yield broker
            if store is not None and transport is not None:
                for finding in await _topology(transport, store, app):
                    yield finding
        if store is not None:
            async for finding in _work(settings, store):
                yield finding
            yield await _readers(settings)


async def _database(settings: Settings) -> Finding:
    from eventstore.postgres.translation import translated

    where = _without_password(settings.database_url)
    try:
        async with asyncio.timeout(PATIENCE):
            with translated(settings.database_url):
                connection = await _connect(settings)
                try:
                    row = await connection.fetchrow(_SERVER)
                finally:
                    await connection.close()
    except Exception as error:  # noqa: BLE001 - reported below, or raised again when it is no user's fault
        return Finding("database", ok=False, message=_explained(error))
    if row is None or row["number"] < OLDEST_POSTGRES:
        return Finding(
            "database", ok=False, message=f"{where}: Postgres {row and row['version']}; 14 or newer is needed"
        )
    durable = (
        "" if row["durable"] else "; fsync or synchronous_commit is off, so a power cut can lose what was confirmed"
    )
    return Finding("database", ok=True, message=f"{where}: Postgres {row['version']}{durable}")


async def _schema(settings: Settings, opened: AsyncExitStack) -> tuple[EventStore | None, Finding]:
    from runtime.assembly import open_store

    try:
        async with asyncio.timeout(PATIENCE):
            store = await opened.enter_async_context(open_store(settings))
    except Exception as error:  # noqa: BLE001 - see `_database`
        return None, Finding("schema", ok=False, message=_explained(error))
    return store, Finding("schema", ok=True, message=f"up to date, {store.partitions} partitions")


async def _readers(settings: Settings) -> Finding:
    from runtime.readers.checkpoints import list_checkpoints

    try:
        async with asyncio.timeout(PATIENCE):
            checkpoints = await list_checkpoints(settings.tables_url)
    except Exception as error:  # noqa: BLE001 - see `_database`
        return Finding("readers", ok=False, message=_explained(error))
    if troubled := [checkpoint.trouble for checkpoint in checkpoints if checkpoint.trouble]:
        return Finding("readers", ok=False, message=f"{troubled[0]}; `perdure projection list` shows all")
    count = len({checkpoint.reader for checkpoint in checkpoints})
    return Finding("readers", ok=True, message=f"{count} with a checkpoint, none is stopped")


async def _broker(settings: Settings, opened: AsyncExitStack) -> tuple[Transport | None, Finding]:
    from runtime.assembly import open_transport

    try:
        async with asyncio.timeout(PATIENCE):
            transport = await opened.enter_async_context(open_transport(settings))
    except Exception as error:  # noqa: BLE001 - see `_database`
        return None, Finding("broker", ok=False, message=_explained(error))
    url = settings.broker_url
    what = "none, Postgres carries the messages" if url is None else _without_password(url)
    return transport, Finding("broker", ok=True, message=what)


async def _topology(transport: Transport, store: EventStore, app: App | None) -> list[Finding]:
    from runtime.transport.port import Topology

    queues = frozenset[str]() if app is None else app.task_queues
    try:
        async with asyncio.timeout(PATIENCE):
            missing = await transport.check(Topology(store.partitions, queues))
    except Exception as error:  # noqa: BLE001 - see `_database`
        return [Finding("topology", ok=False, message=_explained(error))]
    if missing:
        return [Finding("topology", ok=False, message=line) for line in missing]
    tasks = "" if app is not None else "; name --app to check the queues of its tasks, too"
    return [Finding("topology", ok=True, message=f"all queues are there{tasks}")]


async def _work(settings: Settings, store: EventStore) -> AsyncIterator[Finding]:
    connection = await _connect(settings)
    try:
        nodes = await connection.fetchval(_NODES)
        leases = await connection.fetchrow(_LEASES)
        outbox = await connection.fetchrow(_OUTBOX)
    finally:
        await connection.close()
    yield _nodes(nodes, leases)
    if outbox is not None and (outbox["late"] or 0) > 2 * settings.sweep_after:
        message = f"{outbox['waiting']} messages, the oldest due for {duration(outbox['late'])}; does a worker run? `perdure worker module:app`"
        yield Finding("outbox", ok=False, message=message)
    counts = await store.count_executions()
    stuck = sum(count for (_, status), count in counts.items() if status == "stuck")
    parked = sum(count for (_, status), count in counts.items() if status == "parked")
    if parked:
        message = f"{parked} parked, as the nodes that have them lack their code: `perdure list --status parked`"
        yield Finding("instances", ok=False, message=message)
    if stuck:
        yield Finding(
            "instances", ok=False, message=f"{stuck} stuck on a mistake in the code: `perdure list --status stuck`"
        )
    else:
        yield Finding("instances", ok=True, message=f"{sum(counts.values())}, none stuck")
    if quarantined := await store.quarantined(limit=100):
        newest = quarantined[0]
        many = f"{len(quarantined)}{' or more' if len(quarantined) == 100 else ''} messages"
        yield Finding(
            "quarantine",
            ok=False,
            message=f"{many} (`perdure quarantine list`); the newest, {newest.id}: {newest.reason}",
        )


def _nodes(nodes: int, leases: asyncpg.Record | None) -> Finding:
    free, partitions = (0, 0) if leases is None else (leases["free"], leases["partitions"])
    if nodes == 0:
        return Finding(
            "nodes", ok=False, message="no node runs, so commands wait; start one: `perdure node module:app`"
        )
    if free:
        message = f"{free} of {partitions} partitions have no owner; {nodes} nodes live: look again in a few seconds"
        return Finding("nodes", ok=False, message=message)
    what = "1 node lives and owns" if nodes == 1 else f"{nodes} nodes live and own"
    return Finding("nodes", ok=True, message=f"{what} all {partitions} partitions")


async def _connect(settings: Settings) -> asyncpg.Connection[asyncpg.Record]:
    from eventstore.postgres.connection import connect

    return await connect(settings.database_url)


def _explained(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    if (sentence := explain(error)) is None:
        raise error
    return sentence


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}" + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{parts.username + '@' if parts.username else ''}{host}{parts.path}"


def _print(finding: Finding, *, json: bool) -> None:
    if json:
        print_json(finding)
        return
    from rich.text import Text

    mark = Text("ok  ", "green") if finding.ok else Text("bad ", "bold red")
    console().print(Text.assemble(mark, f"{finding.check:<11}", finding.message))
