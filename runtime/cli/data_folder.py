from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from runtime.cli.errors import CommandLineError

if TYPE_CHECKING:
    from runtime.servers import PrivatePostgres

DEFAULT = Path(".perdure")
_DESCRIPTION = "perdure.json"


class ServerKind(StrEnum):
    """Whose Postgres runs on the folder's data; one can't read the other's."""

    EMBEDDED = "embedded"
    INSTALLED = "installed"


class Description(Struct):
    """What a data folder says about itself."""

    server: ServerKind = ServerKind.EMBEDDED
    database: str = "perdure"
    app: str | None = None  # as module:app, for commands that need the code


class DataFolder:
    """A folder that holds a private Postgres and its data, made by `perdure dev` or `perdure demo`.

    `perdure.json` in it says what it is, so that other commands find the server that runs there, and can start
    it for themselves when none does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether this is such a folder."""
        return (self.path / _DESCRIPTION).exists()

    def describe(self, description: Description) -> None:
        """Make it one."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / _DESCRIPTION).write_bytes(msgspec.json.encode(description) + b"\n")
        except OSError as error:
            raise CommandLineError(
                f"{self.path} can't be written: {error.strerror}; name another with --data"
            ) from None

    @property
    def description(self) -> Description:
        """What the folder says about itself.

        Raises:
            CommandLineError: it is no data folder, or damaged.
        """
        file = self.path / _DESCRIPTION
        try:
            return msgspec.json.decode(file.read_bytes(), type=Description)
        except FileNotFoundError:
            raise CommandLineError(
                f"{self.path} holds no data of Perdure; `perdure dev` or `perdure demo` makes such a folder"
            ) from None
        except msgspec.MsgspecError as error:
            raise CommandLineError(f"{file} is damaged ({error}); name another folder with --data") from None

    def server(self, *, fsync: bool = True) -> PrivatePostgres:
        """Give the folder's server, not started."""
        from runtime.servers import EmbeddedPostgres, PrivatePostgres

        kind = EmbeddedPostgres if self.description.server is ServerKind.EMBEDDED else PrivatePostgres
        return kind(self.path / "postgres", fsync=fsync)

    def running_url(self) -> str | None:
        """Give the address of the folder's database, None when its server does not run."""
        from runtime.servers import database_url, running_url

        url = running_url(self.path / "postgres")
        return None if url is None else database_url(url, self.description.database)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """Give the address of the folder's database, with the server started for as long as it is needed."""
        from runtime.servers import database_url

        if (url := self.running_url()) is not None:
            yield url
            return
        async with self.server() as server:
            yield database_url(server.url, self.description.database)


def data_folder(given: Path | None) -> DataFolder:
    """Give the folder that was named, or the one that PERDURE_DATA names, or `.perdure`."""
    return DataFolder(given or Path(os.environ.get("PERDURE_DATA") or DEFAULT))
