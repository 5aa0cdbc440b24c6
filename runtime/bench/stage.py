"""Where a workload plays: an empty database and broker, and the processes on them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg

from runtime.assembly import migrate
from runtime.bench.app import app
from runtime.bench.figures import Measurement, cpu_per_unit, latency_of
from runtime.bench.jobs import Done, Job, Progress
from runtime.bench.members import BenchFailed, ClientProcess, Host, Member, python_module
from runtime.bench.servers import Engine, Place, Servers
from runtime.bench.usage import Usage, read_usage
from runtime.settings import load_settings

APP = "runtime.bench.app:app"
_CLIENT = python_module("runtime.bench.client")
_SILENCE = 30.0  # seconds after which a client that says nothing is taken for dead
_STALLED = 90.0  # seconds without a single answer after which a job is given up


class Stage:
    """Nodes, workers and clients. An async context manager: it starts them, and ends them whatever happens."""

    def __init__(
        self,
        servers: Servers,
        place: Place,
        folder: Path,
        *,
        nodes: int,
        workers: int,
        clients: int,
        environment: dict[str, str],
        advance: Callable[[int], None],
    ) -> None:
        self.place = place
        self._servers, self._folder, self._advance = servers, folder, advance
        self._environment = place.environment() | environment
        self._counts = {"node": nodes, "worker": workers}
        self._clients_wanted = clients
        self._hosts: dict[str, Host] = {}
        self._clients: list[ClientProcess] = []

    @property
    def engine(self) -> Engine:
        """What it runs on."""
        return self._servers.engine

    async def __aenter__(self) -> Self:
        try:
            await migrate(load_settings(self._environment), app)
            for role, count in self._counts.items():
                for number in range(1, count + 1):
                    self._launch(role, f"{role}-{number}")
            for number in range(1, self._clients_wanted + 1):
                self._clients.append(ClientProcess(f"client-{number}", _CLIENT, self._environment, self._folder))
            waits = [host.ready() for host in self._hosts.values()] + [client.ready() for client in self._clients]
            await asyncio.gather(*waits)
        except BaseException:
            await asyncio.shield(self._close())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._close())

    # -- processes ------------------------------------------------------------------------------------------------

    def host(self, name: str) -> Host:
        """Give a node or worker by its name: `node-1`."""
        return self._hosts[name]

    async def kill(self, name: str) -> None:
        """SIGKILL a node or worker."""
        await self._hosts.pop(name).kill()

    async def start(self, name: str) -> None:
        """Start a node or worker under a name that no process has now."""
        await self._launch(name.partition("-")[0], name).ready()

    async def restart(self, name: str) -> None:
        """End a node or worker in order, and start it again."""
        await self._hosts.pop(name).stop()
        await self.start(name)

    def _launch(self, role: str, name: str) -> Host:
        named = ["--name", name] if role == "node" else []
        command = python_module("runtime.cli", role, APP, "--log-level", "warning", *named)
        self._hosts[name] = host = Host(name, command, self._environment, self._folder)
        return host

    async def _close(self) -> None:
        members: list[list[Member]] = [[*self._clients], [*self._hosts.values()]]
        for several in members:
            await asyncio.gather(*(member.stop() for member in several))

    # -- measuring ------------------------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """Read what each role has used until now."""
        roles = self._servers.roles()
        for name, host in self._hosts.items():
            roles.setdefault(name.partition("-")[0], []).append(host.pid)
        return read_usage(roles | {"client": [client.pid for client in self._clients]})

    async def run(self, job: Job) -> Done:
        """Have the clients do a job, each its part.

        Raises:
            BenchFailed: a request failed, a process ended, or nothing was answered for long.
        """
        parts = [job.share(number, len(self._clients)) for number in range(len(self._clients))]
        busy = [(client, part) for client, part in zip(self._clients, parts, strict=True) if part is not None]
        for client, part in busy:
            client.give(part)
        progress = dict.fromkeys((client.name for client, _ in busy), 0)
        done = await asyncio.gather(*(self._follow(client, progress) for client, _ in busy))
        latencies = [latency for each in done for latency in each.latencies]
        return Done(len(latencies), max(each.seconds for each in done), latencies)

    async def measure(self, name: str, unit: str, job: Job, *, units: int = 1) -> Measurement:
        """Do a job and sum it up; `units` is how many units one request stands for."""
        before = self.usage()
        done = await self.run(job)
        used = self.usage().since(before)
        return summed_up(self.engine, name, unit, done, used, units=units)

    async def _follow(self, client: ClientProcess, progress: dict[str, int]) -> Done:
        loop = asyncio.get_running_loop()
        moved = loop.time()
        while not isinstance(report := await client.hear(_SILENCE), Done):
            for member in (*self._hosts.values(), *self._clients):
                member.check()
            if isinstance(report, Progress) and report.done > progress[client.name]:
                progress[client.name] = report.done
                self._advance(sum(progress.values()))
                moved = loop.time()
            if loop.time() - moved > _STALLED:
                raise BenchFailed(f"nothing was answered for {_STALLED:g} s; {report}")
        return report

    # -- the log --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def database(self) -> AsyncIterator[asyncpg.Connection]:
        """Connect to the log, as an observer."""
        connection = await asyncpg.connect(self.place.database)
        try:
            yield connection
        finally:
            await connection.close()


def summed_up(engine: str, name: str, unit: str, done: Done, used: Usage, *, units: int = 1) -> Measurement:
    """Make a measurement of a job that was done and what was used for it; a request stands for so many units."""
    count = done.count * units
    return Measurement(
        engine=engine,
        name=name,
        unit=unit,
        count=count,
        seconds=round(done.seconds, 3),
        per_second=round(count / done.seconds, 1),
        latency_ms=latency_of(done.latencies),
        cpu_us=cpu_per_unit(used, count),
        foreign_cores=round(used.foreign / done.seconds, 2),
    )


@asynccontextmanager
async def open_folder() -> AsyncIterator[Path]:
    """Give a temporary folder with a short path: sockets are made in it."""
    with tempfile.TemporaryDirectory(prefix="perdure-") as folder:
        yield Path(folder)
