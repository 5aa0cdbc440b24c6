from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import weakref
from pathlib import Path

import msgspec

from runtime.servers.errors import ServerError, ServerInUse
from runtime.servers.process import is_alive


class ServerRecord(msgspec.Struct, kw_only=True):
    """What a server's folder remembers between runs, readable by its owner only: it holds the password."""

    password: str
    port: int = 0
    url: str = ""  # of the server that runs now, empty while none does
    pid: int = 0  # of the server process, 0 while none runs
    extra: dict[str, str] = {}


class ServerFolder:
    """The folder of one private server, owned by one live process at a time.

    `path` is given, or a new temporary folder that `remove` deletes. The lock is the kernel's: it goes away
    with the process that holds it, however that ends.
    """

    def __init__(self, path: Path | None, name: str) -> None:
        self.is_temporary = path is None
        self.path = Path(tempfile.mkdtemp(prefix=f"perdure-{name}-")) if path is None else path.absolute()
        self.path.mkdir(parents=True, exist_ok=True)
        self._lock: int | None = None
        self._finalizer = weakref.finalize(self, _delete, self.path)
        if not self.is_temporary:
            self._finalizer.detach()

    @property
    def log(self) -> Path:
        """The server's output."""
        return self.path / "server.log"

    def lock(self) -> None:
        """Own the folder.

        Raises:
            ServerInUse: a live process owns it.
        """
        if self._lock is not None:
            return
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ServerInUse(
                f"{self.path} belongs to a server that another process runs; stop that process, or use another folder"
            ) from None
        self._lock = descriptor

    def unlock(self) -> None:
        """Give the folder up; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def remove(self) -> None:
        """Delete a temporary folder; safe to call twice."""
        if self.is_temporary:
            self._finalizer()

    def load(self) -> ServerRecord | None:
        """What an earlier run left here."""
        return read_record(self.path)

    def save(self, record: ServerRecord) -> None:
        """Replace the remembered settings, all or nothing."""
        half_done = self.path / ".server.json"
        half_done.unlink(missing_ok=True)
        descriptor = os.open(half_done, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(record))
        half_done.rename(self.path / "server.json")


def read_record(path: Path) -> ServerRecord | None:
    """The settings in a server's folder, None when there are none."""
    file = path / "server.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServerRecord)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ServerError(f"{file} is damaged ({error}); delete the folder to start anew") from None


def running_url(path: Path) -> str | None:
    """The address of the server that runs in this folder, None when none does."""
    record = read_record(path)
    return record.url if record and record.url and is_alive(record.pid) else None


def _delete(path: Path) -> None:
    data = path / "data"
    if data.is_symlink():  # it had to live where its account can reach it
        shutil.rmtree(data.resolve().parent, ignore_errors=True)
    shutil.rmtree(path, ignore_errors=True)
