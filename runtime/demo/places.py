"""The servers that the demo runs on."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from runtime.cli.data_folder import DataFolder, Description, ServerKind
from runtime.servers import PrivateRabbitMQ, create_database, database_url, drop_database

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
            log, shop = await _databases(given, f"{urlsplit(given).path[1:] or 'postgres'}_demo")
            reopen = f"--database-url {log} --app {APP}"
        else:
            log, shop = await stack.enter_async_context(_private_postgres(folder, ServerKind.INSTALLED))
            reopen = f"--data {_relative(folder)}"
        yield Places(log, shop, broker, "RabbitMQ and Postgres", reopen)


@asynccontextmanager
async def _private_postgres(folder: Path, kind: ServerKind) -> AsyncIterator[tuple[str, str]]:
    home = DataFolder(folder)
    home.describe(Description(kind, "perdure", APP))
    async with home.server() as server:
        await _recreate(server.url, "perdure", "shop")
        yield database_url(server.url, "perdure"), database_url(server.url, "shop")


async def _databases(given: str, prefix: str) -> tuple[str, str]:
    """Create the demo's own databases beside the given one, in place of those of an earlier run."""
    await _recreate(given, f"{prefix}_log", f"{prefix}_shop")
    return database_url(given, f"{prefix}_log"), database_url(given, f"{prefix}_shop")


async def _recreate(admin_url: str, *names: str) -> None:
    for name in names:
        await drop_database(admin_url, name)
        await create_database(admin_url, name)


def _relative(folder: Path) -> str:
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)
