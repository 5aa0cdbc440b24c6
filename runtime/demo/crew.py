"""The processes of the demo: real ones, killed with SIGKILL and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import runtime
from runtime.demo.chaos import Role
from runtime.servers.errors import log_tail
from runtime.servers.process import ServerProcess, send

READY_SECONDS = 30.0
GRACE = 10.0  # for a process to end in order


class CrewFailed(Exception):
    """A process ended that nobody had killed, or never got ready."""


class Member:
    """One place in the crew. Whatever process holds it, the place has one name and one log."""

    def __init__(
        self, name: str, command: Sequence[str], environment: dict[str, str], logs: Path, sockets: Path
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self.ready = asyncio.Event()
        self.kills = 0
        self._command = [sys.executable, "-P", *command]
        self._address = sockets / f"{name}.ready"
        self._environment = environment | {"NOTIFY_SOCKET": str(self._address)}
        self._process: ServerProcess | None = None
        self._condemned = False

    async def keep(self) -> None:
        """Run the process, and start it again each time it was killed.

        Raises:
            CrewFailed: it ended by itself, or did not get ready.
        """
        while True:
            await self._run_once()
            if not self._condemned:
                raise CrewFailed(f"{self.name} ended by itself; the end of {self.log}:\n{log_tail(self.log)}")
            self._condemned = False

    def kill(self) -> int:
        """SIGKILL the process that holds the place; gives its id. It must be `ready`."""
        process = self._process
        if process is None or not self.ready.is_set():
            raise CrewFailed(f"{self.name} can't be killed before it is ready")
        self.ready.clear()
        self._condemned = True
        self.kills += 1
        send(process.pid, signal.SIGKILL)
        return process.pid

    async def stop(self) -> None:
        """End the process in order, by force when it takes too long."""
        if self._process is not None:
            await self._process.stop([(signal.SIGTERM, GRACE)])

    async def _run_once(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            self._address.unlink(missing_ok=True)
            channel.setblocking(False)
            channel.bind(str(self._address))
            self._process = process = ServerProcess(
                self._command,
                log=self.log,
                cwd=self.log.parent,
                env=self._environment,
                on_orphaned=signal.SIGKILL,  # nobody would count what it does after our own end
            )
            getting_ready = asyncio.create_task(self._hear(channel), name=f"{self.name}-ready")
            try:
                while not await process.wait(READY_SECONDS):
                    if not self.ready.is_set():
                        raise CrewFailed(
                            f"{self.name} was not ready within {READY_SECONDS:g} s; the end of {self.log}:\n"
                            f"{log_tail(self.log)}"
                        )
            finally:
                self.ready.clear()
                getting_ready.cancel()
                with suppress(asyncio.CancelledError):
                    await getting_ready

    async def _hear(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while b"READY=1" not in await loop.sock_recv(channel, 256):
            continue
        self.ready.set()


class Crew:
    """Two nodes, two workers, and the warehouse."""

    def __init__(self, environment: dict[str, str], logs: Path, sockets: Path) -> None:
        """Nothing is started yet.

        Args:
            environment: what tells them where the servers are.
            logs: a folder for their logs.
            sockets: a folder with a short path, for the sockets on which they say that they are ready.
        """
        app = "runtime.demo:app"
        everything = _environment() | environment

        def member(name: str, *command: str) -> Member:
            return Member(name, ["-m", *command], everything, logs, sockets)

        self.by_role = {
            role: [member(f"{role}-{number}", "runtime.cli", str(role), app) for number in (1, 2)] for role in Role
        }
        self.warehouse = member("warehouse", "runtime.demo.warehouse")
        self.members = [*self.by_role[Role.NODE], *self.by_role[Role.WORKER], self.warehouse]

    async def keep(self) -> None:
        """Keep all of them running until cancelled; raises what `Member.keep` raises, in a group."""
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(member.keep(), name=member.name)

    async def ready(self) -> None:
        """Wait until every process is."""
        for member in self.members:
            await member.ready.wait()

    async def victim(self, role: Role, pick: float) -> Member:
        """Choose one that is ready, waiting for one if none is; `pick` is a number in [0, 1)."""
        while not (candidates := [member for member in self.by_role[role] if member.ready.is_set()]):
            waits = [asyncio.create_task(member.ready.wait()) for member in self.by_role[role]]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        return candidates[int(pick * len(candidates))]

    async def stop(self) -> None:
        """End all of them in order, at the same time."""
        await asyncio.gather(*(member.stop() for member in self.members))


def _environment() -> dict[str, str]:
    """Give our own environment, without settings of other stores, and so that `runtime` is this very package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    places = [str(Path(runtime.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {"PYTHONPATH": os.pathsep.join(places)}
