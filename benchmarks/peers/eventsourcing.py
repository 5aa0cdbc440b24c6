"""eventsourcing: one process with the library in it, on the run's Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from benchmarks.peers.installing import python_of
from benchmarks.peers.rival import ENVIRONMENT, Peer, Rival, ended, script
from runtime.bench.members import ClientProcess
from runtime.bench.servers import Servers

_CACHED = 10_000
_THREADS = 8


@asynccontextmanager
async def opened(servers: Servers, folder: Path) -> AsyncIterator[Rival]:
    """Start it on an empty database."""
    url = urlsplit(await servers.database())
    environment = ENVIRONMENT | {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": url.path.removeprefix("/"),
        "POSTGRES_HOST": url.hostname or "",
        "POSTGRES_PORT": str(url.port),
        "POSTGRES_USER": unquote(url.username or ""),
        "POSTGRES_PASSWORD": unquote(url.password or ""),
        "POSTGRES_POOL_SIZE": str(_THREADS),
        "POSTGRES_MAX_OVERFLOW": "0",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "y",
        "AGGREGATE_CACHE_MAXSIZE": str(_CACHED),
        "AGGREGATE_CACHE_FASTFORWARD": "n",
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
        "BENCH_THREADS": str(_THREADS),
    }
    app = ClientProcess(
        "eventsourcing", script(await python_of("eventsourcing"), "eventsourcing_app"), environment, folder
    )
    async with ended(app):
        await app.ready()
        yield Rival("eventsourcing", app, lambda: servers.roles() | {"app": [app.pid]})


EVENTSOURCING = Peer(
    "eventsourcing",
    "eventsourcing",
    opened,
    partial(python_of, "eventsourcing"),
    {
        "processes": "one, and the commands are calls in it: no message, no client, no command ids",
        "threads": f"{_THREADS} that share the requests, and as many connections",
        "AGGREGATE_CACHE_MAXSIZE": f"{_CACHED:,}: every aggregate stays in memory, as in a Perdure node, without a copy or a look whether it is new",
        "POSTGRES_ENABLE_DB_FUNCTIONS": "on: an insert is one round trip",
        "Postgres": "the same server, fsync on",
        "replay": "repository.get of an aggregate without snapshots on its recorder in memory",
    },
)
