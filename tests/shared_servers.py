"""One private server of a kind for a whole test run, shared by all of its processes.

The first process that needs a server starts a *holder* process, which runs it. Every user keeps a named
pipe to the holder open; when the last one is gone, in whatever way, the holder sees the end of the pipe,
and the server goes away with it. So a killed test run leaves no server behind, and a worker that ends
early takes none away from the others.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from runtime.servers import EmbeddedPostgres, PrivatePostgres, PrivateRabbitMQ
from runtime.servers.errors import log_tail
from runtime.servers.process import is_alive

KINDS = {"postgres": PrivatePostgres, "embedded": EmbeddedPostgres, "rabbitmq": PrivateRabbitMQ}
_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 100.0


class SharedServer(msgspec.Struct):
    """A server that runs in the holder: its administrator's address and its folder."""

    url: str
    folder: str


@contextmanager
def shared_server(kind: str, run: str) -> Iterator[SharedServer]:
    """The run's server of this kind, started when this is its first user."""
    place = Path(tempfile.gettempdir()) / f"perdure-tests-{run}-{kind}"
    with _locked(place):
        pipe = _join_holder(place)
        server = msgspec.json.decode((place / "ready").read_bytes(), type=SharedServer) if pipe else None
        if pipe is None or server is None:
            pipe, server = _start_holder(kind, place)
    try:
        yield server
    finally:
        os.close(pipe)


def _join_holder(place: Path) -> int | None:
    try:
        return os.open(place / "alive", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None  # no pipe yet, or nobody at its other end


def _start_holder(kind: str, place: Path) -> tuple[int, SharedServer]:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    os.mkfifo(place / "alive")
    pipe = os.open(place / "alive", os.O_RDWR)
    try:
        log = os.open(place / "holder.log", os.O_WRONLY | os.O_CREAT, 0o644)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "tests.shared_servers", kind, str(place)],
            {**os.environ, "PYTHONPATH": str(_ROOT)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
        os.close(log)
        return pipe, _wait_until_ready(pid, kind, place)
    except BaseException:
        os.close(pipe)
        raise


def _wait_until_ready(pid: int, kind: str, place: Path) -> SharedServer:
    deadline = time.monotonic() + _START_SECONDS
    while not (place / "ready").exists():
        if not is_alive(pid) or time.monotonic() > deadline:
            raise RuntimeError(f"the tests' {kind} server did not start:\n{log_tail(place / 'holder.log')}")
        time.sleep(0.02)
    return msgspec.json.decode((place / "ready").read_bytes(), type=SharedServer)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    name = place.with_suffix(".lock")
    while True:
        with name.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if name.exists() and name.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                yield
                return
            # The holder removed the file while we waited for it.


async def _hold(kind: str, place: Path) -> None:
    pipe = os.open(place / "alive", os.O_RDONLY | os.O_NONBLOCK)
    server = KINDS[kind](fsync=False)
    await server.start()
    try:
        half_done = place / ".ready"
        half_done.write_bytes(msgspec.json.encode(SharedServer(server.url, str(server.folder))))
        half_done.rename(place / "ready")
        await _users_gone(pipe, place)
    finally:
        await server.kill()  # nothing in it is of use to anybody
        await server.close()


async def _users_gone(pipe: int, place: Path) -> None:
    loop = asyncio.get_running_loop()
    while True:
        ended = asyncio.Event()
        loop.add_reader(pipe, ended.set)
        await ended.wait()
        loop.remove_reader(pipe)
        with _locked(place):  # users join under this lock, so nobody does between the look and the end
            if _at_end(pipe):
                os.close(pipe)
                shutil.rmtree(place)
                place.with_suffix(".lock").unlink()
                return


def _at_end(pipe: int) -> bool:
    try:
        return os.read(pipe, 1) == b""
    except BlockingIOError:
        return False  # somebody joined meanwhile


if __name__ == "__main__":
    asyncio.run(_hold(sys.argv[1], Path(sys.argv[2])))
