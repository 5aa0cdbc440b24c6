"""The processes of a workload: nodes, workers and clients."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import runtime
from runtime.bench.jobs import Failed, Job, Ready, Report, read_report, write
from runtime.servers.errors import log_tail
from runtime.servers.process import ServerProcess

READY_SECONDS = 120.0  # a machine with much else to do; one that has died is noticed at once
GRACE = 15.0  # for a process to end in order
_LAST_WORDS = 5.0  # seconds for a process to say what it died of
_LOOK = 0.5  # seconds between two looks whether a process that is not ready still lives


class BenchFailed(Exception):
    """A process ended, was not ready in time, or could not do what it was asked for."""


class Member:
    """One process, with a log of its own."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: dict[str, str],
        folder: Path,
        *,
        on_orphaned: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name, self.folder = name, folder
        self.log = folder / f"{name}.log"
        self._process = ServerProcess(
            command,
            log=self.log,
            cwd=folder,
            env=_inherited() | environment,
            on_orphaned=on_orphaned,
        )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check(self) -> None:
        """See that it lives; raises `BenchFailed` that shows the end of its log."""
        if self._process.exit_status is not None:
            raise BenchFailed(f"{self.name} ended by itself; the end of its log:\n{log_tail(self.log)}")

    async def stop(self) -> None:
        """End it in order, by force when it takes too long; safe to call twice."""
        await self._process.stop([(signal.SIGTERM, GRACE)])

    async def kill(self) -> None:
        """SIGKILL it."""
        await self._process.kill()


class Host(Member):
    """A node or a worker."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self._address = folder / f"{name}.ready"
        self._address.unlink(missing_ok=True)
        self._channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._channel.setblocking(False)
        self._channel.bind(str(self._address))
        super().__init__(name, command, environment | {"NOTIFY_SOCKET": str(self._address)}, folder)

    async def ready(self) -> None:
        """Wait until it says that it is; raises `BenchFailed`."""
        try:
            if not await heard(self._channel, b"READY=1", READY_SECONDS, self.check):
                raise BenchFailed(f"{self.name} was not ready within {READY_SECONDS:g} s")
        finally:
            self._channel.close()


class ClientProcess(Member):
    """A process that carries out jobs."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        """Start it; the address of the socket that it gets its jobs from becomes the command's last word."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        address = folder / f"{name}.jobs"
        address.unlink(missing_ok=True)
        self._listener.bind(str(address))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._writer: asyncio.StreamWriter | None = None
        super().__init__(name, [*command, str(address)], environment, folder)

    async def ready(self) -> None:
        """Wait until it is connected; raises `BenchFailed`."""
        accepting = asyncio.create_task(asyncio.get_running_loop().sock_accept(self._listener), name=self.name)
        try:
            if not await _settled(accepting, READY_SECONDS, self.check):
                raise BenchFailed(f"{self.name} was not ready within {READY_SECONDS:g} s")
            connection, _ = accepting.result()
        finally:
            accepting.cancel()
            await asyncio.wait([accepting])
            self._listener.close()
        self._reader, self._writer = await asyncio.open_unix_connection(sock=connection)
        if not isinstance(report := await self.hear(READY_SECONDS), Ready):
            raise BenchFailed(f"{self.name} said {report} where it should say that it is ready")

    def give(self, job: Job) -> None:
        """Have a job done; it is done when `hear` gives `Done`."""
        if self._writer is None:
            raise BenchFailed(f"{self.name} can't be given a job before it is ready")
        write(self._writer, job)

    async def hear(self, patience: float) -> Report:
        """Wait for the next word; raises `BenchFailed` when there is none, or it is that the job failed."""
        try:
            async with asyncio.timeout(patience):
                report = await read_report(self._reader)
        except TimeoutError:
            raise BenchFailed(f"{self.name} has said nothing for {patience:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._process.wait(_LAST_WORDS)  # what it dies of is written after its socket is closed
            raise BenchFailed(f"{self.name} is gone; the end of its log:\n{log_tail(self.log)}") from None
        if isinstance(report, Failed):
            raise BenchFailed(f"a request failed: {report.reason}")
        return report

    async def stop(self) -> None:
        """End it: by the end of its jobs, then as any other."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        await super().stop()


def python_module(name: str, *arguments: str) -> list[str]:
    """Give the command that runs a module of ours with this very interpreter."""
    return [sys.executable, "-P", "-m", name, *arguments]


async def heard(
    channel: socket.socket, word: bytes, patience: float, check: Callable[[], None], *, look: float = _LOOK
) -> bool:
    """Wait for a datagram with a word in it; whether it came in time.

    Args:
        channel: a datagram socket that does not block.
        word: what it has to hold.
        patience: seconds.
        check: raises when there is nothing to wait for any more; asked every `look` seconds.
        look: seconds.
    """
    receiving = asyncio.create_task(_receive(channel, word), name="readiness")
    try:
        in_time = await _settled(receiving, patience, check, look)
        return in_time and receiving.result() is None
    finally:
        receiving.cancel()
        await asyncio.wait([receiving])


async def _receive(channel: socket.socket, word: bytes) -> None:
    while word not in await asyncio.get_running_loop().sock_recv(channel, 256):
        continue


async def _settled(task: asyncio.Task[Any], patience: float, check: Callable[[], None], look: float = _LOOK) -> bool:
    """Wait for a task without ever cancelling it: a look that ends as the news comes in would throw the news away."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    while not task.done():
        check()
        if loop.time() >= deadline:
            return False
        await asyncio.wait([task], timeout=look)
    return True


def _inherited() -> dict[str, str]:
    """Give our own environment, without settings of other stores, and so that `runtime` is this very package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    places = [str(Path(runtime.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(places)}
