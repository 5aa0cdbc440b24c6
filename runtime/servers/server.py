from __future__ import annotations

import asyncio
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from runtime.servers.errors import ServerError, ServerStartFailed
from runtime.servers.folder import ServerFolder, ServerRecord
from runtime.servers.ports import free_port, is_free
from runtime.servers.process import ServerProcess, is_alive

_ATTEMPTS = 5
_PROBE_PAUSE = 0.05
_PORT_PATIENCE = 10.0


class PrivateServer(ABC):
    """A real server of our own: loopback only, own folder, own port, own password.

    States: new → running → (killed | stopped) → running … → closed. Every method may be called in every
    state; `start` on a running server and `stop` on one that does not run do nothing. The port and the data
    stay the same over `stop`, `kill`, `start` and `restart`.

    The server ends with the thread that called `start`, however that ends, and one live process at a time
    owns a folder.
    """

    what: ClassVar[str]  # "Postgres"
    start_seconds: ClassVar[float]
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]]
    port_taken: ClassVar[tuple[str, ...]]  # what the log says when the port is somebody else's

    def __init__(self, folder: Path | None = None, *, fsync: bool = True) -> None:
        """Nothing is started yet.

        Args:
            folder: where data, settings and log live, kept for the next start; None for a temporary one
                that `close` deletes.
            fsync: False trades the data of a machine crash for speed; a killed server loses nothing.
        """
        self._given_folder = folder
        self._opened_folder: ServerFolder | None = None
        self._fsync = fsync
        self._process: ServerProcess | None = None
        self._record: ServerRecord | None = None  # since this object started it for the first time

    @property
    def url(self) -> str:
        """The server's address with user and password.

        Raises:
            ServerError: it was never started.
        """
        if self._record is None:
            raise ServerError(f"this {self.what} has no address before `start`")
        return self._url(self._record)

    @property
    def port(self) -> int:
        """The loopback port, 0 before the first start."""
        return self._record.port if self._record else 0

    @property
    def pid(self) -> int | None:
        """The server process's id while it runs."""
        return self._process.pid if self.is_running and self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the server process lives. A server that died by itself does not."""
        return self._process is not None and self._process.exit_status is None

    @property
    def folder(self) -> Path:
        """Where data, settings and log live."""
        return self._folder.path

    @property
    def log(self) -> Path:
        """The server's output."""
        return self._folder.log

    async def start(self) -> None:
        """Start the server and wait until it does real work.

        Raises:
            ServerMissing: it is not installed.
            ServerInUse: another process runs a server in this folder.
            ServerStartFailed: it ended, or was not ready in time.
        """
        if self.is_running:
            return
        self._folder.lock()
        try:
            first = self._record is None
            record = self._record or self._folder.load() or self._new_record()
            await self._end_orphans(record)
            await self._prepare(record)
            if first:
                await self._launch_on_some_port(record)
            else:
                await _eventually(lambda: is_free(record.port), _PORT_PATIENCE)
                await self._launch(record)
        except BaseException:  # cancelled or failed: leave nothing behind that runs
            await asyncio.shield(self._end_at_once())
            self._folder.unlock()
            raise

    async def stop(self) -> None:
        """End the server in order within a bounded time, by force if need be; folder and port are kept."""
        if self._process is not None:
            await self._process.stop(self.stop_steps)
        await self._end_at_once()
        if self._record is not None and self._opened_folder is not None:
            self._record.pid, self._record.url = 0, ""
            if self.folder.is_dir():
                self._folder.save(self._record)
        if self._opened_folder is not None:
            self._opened_folder.unlock()

    async def kill(self) -> None:
        """SIGKILL the whole server, as a crash would."""
        if self._process is not None:
            await self._process.kill()
            self._process = None

    async def restart(self) -> None:
        """Stop in order and start again on the same folder and port."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop for good and delete a temporary folder; safe to call twice and before `start`."""
        await self.stop()
        if self._opened_folder is not None:
            self._opened_folder.remove()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def _folder(self) -> ServerFolder:
        if self._opened_folder is None:
            self._opened_folder = ServerFolder(self._given_folder, self.what.lower())
        return self._opened_folder

    async def _launch_on_some_port(self, record: ServerRecord) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            if not record.port or attempt > 1 or not is_free(record.port):
                self._choose_ports(record)
            try:
                await self._launch(record)
            except ServerStartFailed as error:
                # Somebody took the port between our look and the server's: not a fault, take another.
                if attempt == _ATTEMPTS or not any(sign in str(error) for sign in self.port_taken):
                    raise
                await self._end_at_once()
            else:
                return

    async def _launch(self, record: ServerRecord) -> None:
        self.log.unlink(missing_ok=True)
        self._process = process = await self._spawn(record)
        record.pid, record.url = process.pid, self._url(record)
        self._folder.save(record)
        deadline = time.monotonic() + self.start_seconds
        while True:
            if process.exit_status is not None:
                reason = f"ended with status {process.exit_status} instead of starting"
                raise ServerStartFailed(f"{self.what} on port {record.port}", reason, self.log)
            trouble = await self._trouble(record)
            if trouble is None and process.exit_status is None:
                self._record = record
                return
            if time.monotonic() >= deadline:
                reason = f"was not ready within {self.start_seconds:g} s ({trouble})"
                raise ServerStartFailed(f"{self.what} on port {record.port}", reason, self.log)
            await asyncio.sleep(_PROBE_PAUSE)

    async def _end_at_once(self) -> None:
        """Kill what still runs of this server; the life cycle's last resort."""
        await self.kill()

    def _choose_ports(self, record: ServerRecord) -> None:
        record.port = free_port()

    @abstractmethod
    def _new_record(self) -> ServerRecord:
        """What a new folder starts with."""

    @abstractmethod
    def _url(self, record: ServerRecord) -> str: ...

    @abstractmethod
    async def _end_orphans(self, record: ServerRecord) -> None:
        """End the server of a dead owner that is still on its way down: we hold the folder's lock."""

    @abstractmethod
    async def _prepare(self, record: ServerRecord) -> None:
        """Make the data folder where there is none."""

    @abstractmethod
    async def _spawn(self, record: ServerRecord) -> ServerProcess: ...

    @abstractmethod
    async def _trouble(self, record: ServerRecord) -> str | None:
        """Try real work; None when it was done, else why not."""


async def _eventually(predicate: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_PROBE_PAUSE)
    return True


async def wait_until_gone(pids: Sequence[int], seconds: float) -> bool:
    """Wait until none of these processes lives, at most so long; whether they are gone."""
    return await _eventually(lambda: not any(is_alive(pid) for pid in pids), seconds)


async def run_bounded(work: Awaitable[None], seconds: float) -> str | None:
    """Await `work`, at most so long; None when it went well, else what went wrong in one line."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except Exception as error:  # noqa: BLE001 - a server that starts answers with anything; the process's end and the deadline decide
        return f"{type(error).__name__}: {error}"
    return None
