"""A node on real servers for a whole module, and a client that knows nothing but AMQP."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest_asyncio

from eventstore.postgres import PostgresStore
from runtime import Settings, load_settings, migrate, run_node
from runtime.servers import create_database, drop_database
from tests.integration.messages.bare_client import BareClient
from tests.integration.messages.greetings import app
from tests.vhosts import VhostPool

PARTITIONS = 4


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def settings(postgres_url: str, vhost_pool: VhostPool) -> AsyncIterator[Settings]:
    """A migrated database and virtual host."""
    name = f"test_{secrets.token_hex(8)}"
    database, broker = await create_database(postgres_url, name), await vhost_pool.take()
    made = load_settings({}, database_url=database, broker_url=broker, partitions=PARTITIONS)
    await migrate(made)
    yield made
    vhost_pool.give_back(broker)
    await drop_database(postgres_url, name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(settings: Settings) -> AsyncIterator[PostgresStore]:
    """The store that the node writes to."""
    opened = PostgresStore(settings.database_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(settings: Settings) -> AsyncIterator[BareClient]:
    """A connected client, with a node at the other end."""
    stop, ready = asyncio.Event(), asyncio.Event()
    node = asyncio.create_task(run_node(app, settings, stop, ready.set), name="node")
    await asyncio.wait([node, waiting := asyncio.create_task(ready.wait())], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    bare = BareClient(settings.broker_url or "", PARTITIONS)
    yield bare
    bare.close()
    stop.set()
    await node
