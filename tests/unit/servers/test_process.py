"""A server process ends when it must, with everything below it, and never by another's pid."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from runtime.servers.process import ServerProcess, descendants, is_alive
from tests.killed_owner import run_until_it_prints_and_kill
from tests.waiting import wait_until


def start(command: list[str], folder: Path) -> ServerProcess:
    return ServerProcess(command, log=folder / "log", cwd=folder, env={"PATH": os.environ["PATH"]})


async def test_kill_ends_the_whole_family(tmp_path: Path) -> None:
    """Children in sessions of their own, as Postgres backends are, end too."""
    process = start(["sh", "-c", "setsid sleep 600 & setsid sleep 600 & wait"], tmp_path)
    await wait_until(lambda: len(descendants(process.pid)) == 2)
    family = [process.pid, *descendants(process.pid)]
    await process.kill()
    assert [pid for pid in family if is_alive(pid)] == []


async def test_stop_goes_on_to_the_next_step(tmp_path: Path) -> None:
    """A process that ignores the first signal gets the second."""
    process = start(["sh", "-c", "trap '' INT; echo up; while :; do sleep 0.05; done"], tmp_path)
    await wait_until((tmp_path / "log").read_text)
    await process.stop([(signal.SIGINT, 0.2), (signal.SIGTERM, 10)])
    await process.stop([(signal.SIGINT, 0.2)])
    assert process.exit_status == -signal.SIGTERM


async def test_a_killed_parent_leaves_no_server(tmp_path: Path) -> None:
    """SIGKILL of the owner ends the server: the kernel tells it."""
    code = (
        "import sys, time; from pathlib import Path; from runtime.servers.process import ServerProcess; "
        f"p = Path({str(tmp_path)!r}); "
        "s = ServerProcess(['sleep', '600'], log=p / 'log', cwd=p, env={'PATH': '/usr/bin:/bin'}); "
        "print(s.pid, flush=True); time.sleep(600)"
    )
    pids = run_until_it_prints_and_kill(code)
    await wait_until(lambda: not any(is_alive(pid) for pid in pids))
