from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runtime.servers.account import Account

_LAUNCHER = Path(__file__).with_name("launcher.py")
_POLL = 0.02


class ServerProcess:
    """One child process with its output in a log file.

    It is signalled by its own recorded pid only, and ends with the thread that started it (Linux): a
    parent that is SIGKILLed leaves no orphan behind. The kernel's signal is `on_orphaned`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path,
        env: Mapping[str, str],
        account: Account | None = None,
        on_orphaned: signal.Signals = signal.SIGTERM,
    ) -> None:
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(on_orphaned))]
        ids = [str(account.uid), str(account.gid)] if account else ["-1", "-1"]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*launcher, *ids, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,  # a Ctrl-C in the terminal is for us, and we stop servers in order
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative for a signal."""
        return self._process.poll()

    async def wait(self, seconds: float) -> bool:
        """Wait for the end of the process, at most so long; whether it has ended."""
        return await _until(lambda: self._process.poll() is not None, seconds)

    async def stop(self, steps: Sequence[tuple[signal.Signals, float]]) -> None:
        """Send each signal and give it its time to work, then kill; safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)  # one that was stopped could not hear the rest
        for number, seconds in steps:
            if self._process.poll() is None:
                self._process.send_signal(number)
                await self.wait(seconds)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL the process and all of its descendants, and wait until every one is gone."""
        pids = [self.pid]
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)  # so that no new child escapes the list
            pids += descendants(self.pid)
        for pid in pids[1:]:
            send(pid, signal.SIGKILL)
        if self._process.poll() is None:
            self._process.kill()
        await asyncio.shield(asyncio.to_thread(self._process.wait))
        await _until(lambda: not any(is_alive(pid) for pid in pids[1:]), 10)


async def _until(predicate: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def is_alive(pid: int) -> bool:
    """Whether a process runs. A zombie does not: where no init reaps, it stays for ever and does nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return False
        return _answers_signal(pid)
    return fields[0] not in {"Z", "X"}


def _answers_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def command_line(pid: int) -> str:
    """A process's command line, empty when it has none or is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def descendants(pid: int) -> list[int]:
    """The ids of all children, grandchildren and so on that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue  # it ended while we looked
        children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    pending = [pid]
    while pending:
        below = children.get(pending.pop(), [])
        found += below
        pending += below
    return found


def processes_in(folder: Path, program: str) -> list[int]:
    """The ids of all processes whose working folder is `folder` and whose command line names `program`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder and program in command_line(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue  # it ended while we looked, or is none of our business
    return found
