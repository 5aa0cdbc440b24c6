"""The processes of a run. Each has a seat with a name, a log, and proxies of its own to every server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from runtime.servers.errors import log_tail
from runtime.servers.process import ServerProcess, send
from tests.faults.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 240.0  # no promise: its servers may be down, and a loaded machine takes a minute to start one
GRACE = 20.0
_AGAIN = 0.3  # seconds before a process is started again that could not start


class CrewFailed(Exception):
    """A process never got ready."""


class Seat:
    """One place: whatever process holds it, it has the same links and the same log.

        down ──► starting ──► up ──► (killed) ──► down
                    ▲  │ended       (stopped ⇄ continued: still up)
                    └──┘

    A process that ends before it was ever ready (its server was away) is started again; one that ends later, and that
    nobody killed, is a finding: `crashes`.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], list[str]],
        environment: dict[str, str],
        links: list[Proxy],
        home: Path,
    ) -> None:
        """Make an empty seat.

        Args:
            name: of the seat.
            command: the module and its arguments for the n-th process.
            environment: settings, with the addresses of the links.
            links: the proxies, that of the database first.
            home: a folder with a short path, for logs and sockets.
        """
        self.name, self.links = name, links
        self.log = home / f"{name}.log"
        self.up = asyncio.Event()
        self.may_start = asyncio.Event()
        self.may_start.set()
        self.crashes: list[str] = []
        self.stopped = False
        self._command, self._home = command, home
        self._address = home / f"{name}.ready"
        self._environment = _inherited() | environment | {"NOTIFY_SOCKET": str(self._address)}
        self._process: ServerProcess | None = None
        self._generation = 0
        self._condemned = False

    async def keep(self) -> None:
        """Have a process here, again and again; raises `CrewFailed`."""
        loop = asyncio.get_running_loop()
        begun: float | None = None
        while True:
            await self.may_start.wait()
            self._condemned = False
            begun = loop.time() if begun is None else begun
            ready = await self._run_once()
            if ready:
                begun = None
            elif loop.time() > begun + READY_SECONDS:
                raise CrewFailed(f"{self.name} did not get ready; the end of {self.log}:\n{log_tail(self.log)}")
            elif not self._condemned:
                await asyncio.sleep(_AGAIN)
            if ready and not self._condemned:
                self.crashes.append(f"{self.name} ended by itself:\n{log_tail(self.log)}")

    def kill(self) -> bool:
        """SIGKILL; False when nothing runs here."""
        if self._process is None or self._process.exit_status is not None:
            return False
        self._condemned = True
        self.up.clear()
        send(self._process.pid, signal.SIGKILL)
        self.stopped = False
        return True

    def freeze(self) -> bool:
        """SIGSTOP; False when it is not up, or stopped already."""
        if self._process is None or not self.up.is_set() or self.stopped:
            return False
        self.stopped = True
        send(self._process.pid, signal.SIGSTOP)
        return True

    def thaw(self) -> bool:
        """SIGCONT; False when the process that was stopped is not there any more."""
        if self._process is None or not self.stopped:
            return False
        self.stopped = False
        send(self._process.pid, signal.SIGCONT)
        return True

    async def finish(self, seconds: float) -> bool:
        """SIGTERM, and wait for the end in order; False when it took too long and was killed."""
        self.may_start.clear()
        if self._process is None:
            return True
        self._condemned = True
        self.thaw()
        send(self._process.pid, signal.SIGTERM)
        if await self._process.wait(seconds):
            return True
        await self._process.kill()
        return False

    async def end(self) -> None:
        """End it, by force if need be."""
        self.may_start.clear()
        self._condemned = True
        if self._process is not None:
            await self._process.stop([(signal.SIGTERM, GRACE)])

    async def _run_once(self) -> bool:
        """Run one process to its end; says whether it was ever ready."""
        self._generation += 1
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            self._address.unlink(missing_ok=True)
            channel.setblocking(False)
            channel.bind(str(self._address))
            self._process = process = ServerProcess(
                [sys.executable, "-P", "-m", *self._command(self._generation)],
                log=self.log,
                cwd=self._home,
                env=self._environment,
                on_orphaned=signal.SIGKILL,
            )
            hearing = asyncio.create_task(self._hear(channel), name=f"{self.name} ready")
            try:
                while not await process.wait(3600):
                    pass
            finally:
                ready = hearing.done()
                self.up.clear()
                self.stopped = False
                hearing.cancel()
                with suppress(asyncio.CancelledError):
                    await hearing
        return ready

    async def _hear(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while b"READY=1" not in await loop.sock_recv(channel, 256):
            continue
        self.up.set()


def _inherited() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
