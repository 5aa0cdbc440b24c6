"""Which servers a command talks to: what its flags say, then the environment, then a data folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from runtime.cli.data_folder import DataFolder, data_folder
from runtime.cli.errors import CommandLineError, WrongInput

if TYPE_CHECKING:
    from runtime.settings import Settings


class Servers(Struct, frozen=True):
    """What the flags of a command say about its servers."""

    database_url: str | None = None
    broker_url: str | None = None
    data: Path | None = None

    def folder(self) -> DataFolder | None:
        """Give the data folder to use, None when a database is named, or when there is no such folder."""
        if self.database_url is not None:
            return None
        if self.data is None and os.environ.get("PERDURE_DATABASE_URL"):
            return None
        folder = data_folder(self.data)
        return folder if self.data is not None or folder.exists else None

    def settings(self, **flags: object) -> Settings:
        """Give the settings for servers that run already.

        Raises:
            ConfigurationError: nothing says where the database is.
            CommandLineError: the data folder's server does not run.
        """
        from runtime.settings import load_settings

        if (folder := self.folder()) is None:
            return load_settings(None, database_url=self.database_url, broker_url=self.broker_url, **flags)
        if (url := folder.running_url()) is None:
            app = folder.description.app or "module:app"
            raise CommandLineError(
                f"nothing runs on the data in {folder.path}; start it with `perdure dev {app} --data {folder.path}`"
            )
        return _folder_settings(url, broker_url=self.broker_url, **flags)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Settings]:
        """Give the settings for reading the log; a data folder's server is started for as long as it takes."""
        if (folder := self.folder()) is None:
            yield self.settings()
            return
        async with folder.opened() as url:
            yield _folder_settings(url)


def _folder_settings(url: str, **flags: object) -> Settings:
    from runtime.settings import load_settings

    # A data folder has no broker of its own: its Postgres carries the messages.
    environment = {name: value for name, value in os.environ.items() if name != "PERDURE_BROKER_URL"}
    return load_settings(environment, database_url=url, **flags)


def app_reference(given: str | None, servers: Servers) -> str:
    """Give the application to load: the one named, or the one of the data folder.

    Raises:
        CommandLineError: neither names one.
    """
    if given is not None:
        return given
    folder = servers.folder()
    if folder is not None and (app := folder.description.app):
        return app
    raise WrongInput("which application? Name it with --app, for example --app shop:app")
