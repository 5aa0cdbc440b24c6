from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import asyncpg
import pytest

from runtime import Client, Settings, connect, run_node, run_worker
from tests.integration.runtime.crew_app import APP, TABLES, settings_for
from tests.migrated import declare

Running = tuple[asyncio.Task[None], asyncio.Event]


class Installation:
    """Real servers, and nodes and workers in this process."""

    def __init__(self, settings: Settings, clients: AsyncExitStack) -> None:
        self.settings = settings
        self.database = settings.database_url
        self._clients = clients
        self._running: list[Running] = []

    async def node(self, **settings: Any) -> Running:
        return await self._run(lambda chosen, stop, ready: run_node(APP, chosen, stop, ready), settings)

    async def worker(self, **settings: Any) -> Running:
        return await self._run(lambda chosen, stop, ready: run_worker(APP, chosen, None, stop, ready), settings)

    async def client(self) -> Client:
        return await self._clients.enter_async_context(connect(self.settings))

    async def sql(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as an outsider."""
        connection = await asyncpg.connect(self.database)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    async def stop(self, running: Running | None = None) -> None:
        """Stop one, or all, in order."""
        for task, stop in [running] if running else list(self._running):
            stop.set()
            await task
            self._running.remove((task, stop))

    async def abandon(self) -> None:
        """End what a failed test left."""
        for task, _ in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait([task for task, _ in self._running])

    async def _run(self, start: Any, others: dict[str, Any]) -> Running:
        stop, ready = asyncio.Event(), asyncio.Event()
        chosen = settings_for(self.database, self.settings.broker_url, **others)
        running = asyncio.create_task(start(chosen, stop, ready.set)), stop
        self._running.append(running)
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait([waiting, running[0]], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if running[0].done():
            running[0].result()
        return running


@pytest.fixture(params=["rabbitmq", "postgres"])
def new_broker(request: pytest.FixtureRequest) -> Callable[[], Awaitable[str]] | None:
    """Makes a virtual host; None where Postgres carries the messages."""
    return request.getfixturevalue("fresh_vhost") if request.param == "rabbitmq" else None


@pytest.fixture
async def installed(
    new_broker: Callable[[], Awaitable[str]] | None, migrated_database: Callable[[int], Awaitable[str]]
) -> AsyncIterator[Installation]:
    """A migrated database and, with RabbitMQ, a virtual host of its own."""
    database = await migrated_database(4)
    broker = None if new_broker is None else await new_broker()
    settings = settings_for(database, broker, partitions=4)
    await declare(settings, APP)
    os.environ["EFFECTS_URL"] = database
    async with AsyncExitStack() as clients:
        installation = Installation(settings, clients)
        await installation.sql(TABLES)
        try:
            yield installation
        finally:
            await installation.abandon()
            await _forget_pool()


async def _forget_pool() -> None:
    from tests.integration.runtime import crew_app

    while crew_app._POOL:
        await crew_app._POOL.pop().close()
