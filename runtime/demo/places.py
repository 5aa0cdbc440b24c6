"""The servers that the demo runs on."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
from aiormq.exceptions import ChannelNotFoundEntity
from msgspec import Struct

from eventstore.postgres.translation import translated
from runtime.cli.data_folder import DataFolder, Description, ServerKind
from runtime.cli.errors import CommandLineError
from runtime.servers import PrivateRabbitMQ, create_database, database_url, drop_database
from runtime.transport.queues import INGRESS
from runtime.transport.rabbitmq_connection import connect

APP = "runtime.demo:app"


class Places(Struct, frozen=True):
    """Where the log, the shop and the messages are. `reopen` is what the next commands need to find the log again."""

    log: str
    shop: str
    broker: str | None
    what: str
    reopen: str

    def environment(self) -> dict[str, str]:
        """Give the settings for the processes."""
        from runtime.demo.shop import SHOP_URL

        found = {"PERDURE_DATABASE_URL": self.log, SHOP_URL: self.shop}
        return found if self.broker is None else found | {"PERDURE_BROKER_URL": self.broker}


@asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Places]:
    """Run on the embedded Postgres, which carries the messages, too."""
    async with _private_postgres(folder, ServerKind.EMBEDDED) as (log, shop):
        yield Places(log, shop, None, "the embedded Postgres", f"--data {_relative(folder)}")


@asynccontextmanager
async def over_rabbitmq(folder: Path) -> AsyncIterator[Places]:
    """Run on RabbitMQ and Postgres: those that the environment names, or private ones from installed binaries."""
    async with AsyncExitStack() as stack:
        broker = os.environ.get("PERDURE_BROKER_URL")
        if broker is None:
            broker = (await stack.enter_async_context(PrivateRabbitMQ())).url
        if given := os.environ.get("PERDURE_DATABASE_URL"):
            log, shop = await _databases(given)
            reopen = f"--database-url {log} --app {APP}"
        else:
            log, shop = await stack.enter_async_context(_private_postgres(folder, ServerKind.INSTALLED))
            reopen = f"--data {_relative(folder)}"
        await _refuse_busy(broker)
        yield Places(log, shop, broker, "RabbitMQ and Postgres", reopen)


@asynccontextmanager
async def _private_postgres(folder: Path, kind: ServerKind) -> AsyncIterator[tuple[str, str]]:
    home = DataFolder(folder)
    home.describe(Description(kind, "perdure", APP))
    async with home.server() as server:
        await _recreate(server.url, "perdure", "shop")
        yield database_url(server.url, "perdure"), database_url(server.url, "shop")


async def _databases(given: str) -> tuple[str, str]:
    """Create the demo's own databases beside the given one, in place of those of an earlier run."""
    prefix = re.sub(r"[^a-z0-9_]", "_", urlsplit(given).path[1:].lower())[:50] or "perdure"
    log, shop = f"{prefix}_demo_log", f"{prefix}_demo_shop"
    with translated(given):
        await _recreate(given, log, shop)
    return database_url(given, log), database_url(given, shop)


async def _refuse_busy(broker: str) -> None:
    """See that nobody else's nodes are on this virtual host: they would take the demo's messages, and it theirs.

    Raises:
        CommandLineError: there are some.
    """
    connection = await connect(broker, aio_pika.Connection, name="perdure demo", timeout=10)
    try:
        channel = await connection.channel()
        queue = await channel.declare_queue(INGRESS, passive=True)
    except ChannelNotFoundEntity:
        return
    else:
        busy = bool(queue.declaration_result.consumer_count)
    finally:
        await connection.close()
    if busy:
        raise CommandLineError(
            "nodes of another store run on the virtual host of PERDURE_BROKER_URL; give the demo one of its own, "
            "for example: rabbitmqctl add_vhost demo"
        )


async def _recreate(admin_url: str, *names: str) -> None:
    for name in names:
        await drop_database(admin_url, name)
        await create_database(admin_url, name)


def _relative(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)
