"""DBOS: one process that starts workflows and runs them, on the run's Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from benchmarks.peers.installing import python_of
from benchmarks.peers.rival import ENVIRONMENT, Peer, Rival, ended, script
from runtime.bench.members import ClientProcess
from runtime.bench.servers import Servers

_POOL = 20


@asynccontextmanager
async def opened(servers: Servers, folder: Path) -> AsyncIterator[Rival]:
    """Start it on an empty database."""
    database = (await servers.database()).partition("?")[0]
    environment = ENVIRONMENT | {"DBOS_SYSTEM_DATABASE_URL": database, "DBOS_POOL_SIZE": str(_POOL)}
    app = ClientProcess("dbos", script(await python_of("dbos"), "dbos_app"), environment, folder)
    async with ended(app):
        await app.ready()
        yield Rival("dbos", app, lambda: servers.roles() | {"app": [app.pid]})


DBOS = Peer(
    "dbos",
    "DBOS",
    opened,
    partial(python_of, "dbos"),
    {
        "processes": "one: workflows are started, run and awaited in it, without a client between",
        "workflow": "@DBOS.workflow and @DBOS.step coroutines, on uvloop",
        "sys_db_pool_size": f"{_POOL}, the default; 5 and threads in place of coroutines were not faster",
        "Postgres": "the same server, fsync on",
    },
)
