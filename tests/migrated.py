"""Databases with a store's schema: copies of one that was migrated, which takes a tenth of the time."""

from __future__ import annotations

import secrets

from actors import App
from runtime import Settings, migrate
from runtime.assembly import open_transport
from runtime.servers import create_database, drop_database
from runtime.transport.port import Topology


class MigratedDatabases:
    """Makes them on one server, and drops them. Each process of a test run has its own."""

    def __init__(self, admin_url: str) -> None:
        self._admin_url = admin_url
        self._templates: dict[int, str] = {}  # by number of partitions

    async def create(self, partitions: int) -> tuple[str, str]:
        """Make a store without events; gives the database's name and address."""
        if (template := self._templates.get(partitions)) is None:
            template = f"template_{secrets.token_hex(8)}"
            address = await create_database(self._admin_url, template)
            await migrate(Settings(database_url=address, partitions=partitions))
            self._templates[partitions] = template
        name = f"test_{secrets.token_hex(8)}"
        return name, await create_database(self._admin_url, name, template=template)

    async def drop(self, *names: str) -> None:
        """Drop databases."""
        for name in names:
            await drop_database(self._admin_url, name)

    async def drop_templates(self) -> None:
        """Drop what copies were made of."""
        await self.drop(*self._templates.values())


async def declare(settings: Settings, app: App) -> None:
    """Make the queues of an app, as `migrate` does."""
    async with open_transport(settings) as transport:
        await transport.declare(Topology(settings.partitions or 1, app.task_queues))
