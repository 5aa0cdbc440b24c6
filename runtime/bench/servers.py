"""The servers of a run: private ones, on loopback, that wait for the disk."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum

import asyncpg

from runtime.servers import EmbeddedPostgres, PrivatePostgres, PrivateRabbitMQ

_VHOSTS = 10  # are made at once: each call of RabbitMQ's command line takes seconds


class Engine(StrEnum):
    """What carries the messages, and whose Postgres it is."""

    RABBITMQ = "rabbitmq"  # RabbitMQ and Postgres, both installed on the machine
    EMBEDDED = "embedded"  # the Postgres of the extra `embedded`, which carries the messages, too


class Place:
    """A database and, with RabbitMQ, a virtual host: empty ones for each workload."""

    def __init__(self, database: str, broker: str | None) -> None:
        self.database, self.broker = database, broker

    def environment(self) -> dict[str, str]:
        """Give the settings for the processes."""
        found = {"PERDURE_DATABASE_URL": self.database}
        return found if self.broker is None else found | {"PERDURE_BROKER_URL": self.broker}


class Servers:
    """Running servers of one engine."""

    def __init__(self, engine: Engine, postgres: PrivatePostgres, rabbitmq: PrivateRabbitMQ | None) -> None:
        self.engine, self._postgres, self._rabbitmq = engine, postgres, rabbitmq
        self._places = 0
        self._vhosts: list[str] = []

    async def place(self) -> Place:
        """Make an empty place."""
        self._places += 1
        if self._rabbitmq is not None and not self._vhosts:
            names = [f"bench_{self._places + number}" for number in range(_VHOSTS)]
            self._vhosts = await self._rabbitmq.control.add_vhosts(names)
        broker = self._vhosts.pop(0) if self._vhosts else None
        return Place(await self._postgres.create_database(f"bench_{self._places}"), broker)

    async def database(self) -> str:
        """Make an empty database for something else than Perdure; gives its address."""
        self._places += 1
        return await self._postgres.create_database(f"bench_{self._places}")

    def roles(self) -> dict[str, list[int]]:
        """Give the ids of the servers' processes."""
        pids = {"Postgres": self._postgres.pid, "RabbitMQ": None if self._rabbitmq is None else self._rabbitmq.pid}
        return {role: [pid] for role, pid in pids.items() if pid is not None}

    async def description(self) -> dict[str, str]:
        """Say what runs, and that it waits for the disk."""
        connection = await asyncpg.connect(self._postgres.url)
        try:
            said = {
                "postgres": str(await connection.fetchval("SHOW server_version")),
                "postgres_fsync": str(await connection.fetchval("SHOW fsync")),
                "postgres_synchronous_commit": str(await connection.fetchval("SHOW synchronous_commit")),
                "postgres_commit_ms": f"{await _commit_milliseconds(connection):.2f}",
            }
        finally:
            await connection.close()
        if self._rabbitmq is not None:
            version = await self._rabbitmq.control.evaluate("rabbit_misc:version().")
            said |= {"rabbitmq": version.strip().strip('"'), "rabbitmq_queues": "quorum, publisher confirms, fsync"}
        return said


@asynccontextmanager
async def open_servers(engine: Engine) -> AsyncIterator[Servers]:
    """Start the servers of an engine, and end them; their data goes with them.

    Raises:
        ServerError: one is not installed, or does not start.
    """
    async with AsyncExitStack() as stack:
        postgres = PrivatePostgres() if engine is Engine.RABBITMQ else EmbeddedPostgres()
        await stack.enter_async_context(postgres)
        rabbitmq = await stack.enter_async_context(PrivateRabbitMQ()) if engine is Engine.RABBITMQ else None
        yield Servers(engine, postgres, rabbitmq)


async def _commit_milliseconds(connection: asyncpg.Connection) -> float:
    """Time the smallest commits one by one, for the median: it is what fsync costs on this disk."""
    await connection.execute("CREATE TABLE public.probe (n integer)")
    times = []
    for number in range(50):
        began = time.perf_counter()
        await connection.execute("INSERT INTO public.probe VALUES ($1)", number)
        times.append(time.perf_counter() - began)
    await connection.execute("DROP TABLE public.probe")
    return sorted(times)[len(times) // 2] * 1000
