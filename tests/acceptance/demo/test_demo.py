"""`perdure demo` as a user runs it: exact figures, real kills, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.servers import drop_database
from runtime.servers.process import descendants, is_alive
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(240)

FreshAddress = Callable[[], Awaitable[str]]
ROOT = Path(__file__).resolve().parents[3]
EXACT = {
    "orders": 830,
    "fulfilled": 563,
    "refused": 267,
    "invoices": 563,
    "units": 31345,
    "goods_value": 773898.54,
    "lost": 0,
    "duplicated": 0,
}
FIELDS = {*EXACT, "kills", "seconds"}


@contextmanager
def started_demo(folder: Path, *flags: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo in a folder; it ends with the block at the latest."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    with subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "demo", *flags],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        try:
            yield demo
        finally:
            demo.terminate()


def perdure(folder: Path, *arguments: str) -> str:
    """Run another command of the command line in the same folder."""
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", *arguments],
        check=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return done.stdout


def figures_of(demo: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for its end and read its last line."""
    output, errors = demo.communicate()
    assert demo.returncode == 0, errors
    figures = json.loads(output.splitlines()[-1])
    assert set(figures) == FIELDS
    assert figures["kills"] >= 6
    return {name: figures[name] for name in EXACT}


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the account can enter which Postgres runs under when we are root; pytest's own is closed."""
    with tempfile.TemporaryDirectory(prefix="perdure-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


async def test_on_the_embedded_default(folder: Path) -> None:
    """Every order ends exactly once, and what the run leaves can be looked at afterwards."""
    with started_demo(folder, "--json") as demo:
        assert figures_of(demo) == EXACT
    refused = perdure(folder, "replay", "ProcessOrder/10248", "--data", ".perdure/demo")
    assert 'step = "refused"' in refused
    assert "without a difference" in refused


async def test_over_rabbitmq(
    folder: Path, fresh_database: FreshAddress, fresh_vhost: FreshAddress, postgres_url: str
) -> None:
    """The same figures on servers that the environment names."""
    database, broker = await fresh_database(), await fresh_vhost()
    urls = {"PERDURE_DATABASE_URL": database, "PERDURE_BROKER_URL": broker}
    try:
        with started_demo(folder, "--rabbitmq", "--json", **urls) as demo:
            assert figures_of(demo) == EXACT
    finally:
        name = database.partition("?")[0].rpartition("/")[2]
        for suffix in ("demo_log", "demo_shop"):
            await drop_database(postgres_url, f"{name}_{suffix}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_running(folder: Path, number: signal.Signals) -> None:
    """However the demo is ended in the middle of its work, its processes and its server end with it."""
    with started_demo(folder) as demo:
        await _someone_was_killed(demo)
        processes = descendants(demo.pid)
        assert len(processes) >= 6
        demo.send_signal(number)
        await wait_until(lambda: demo.poll() is not None, seconds=30, what="the demo has ended")
        await wait_until(lambda: not any(map(is_alive, processes)), seconds=30, what="all of its processes are gone")
        assert demo.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 130)


async def _someone_was_killed(demo: subprocess.Popen[str]) -> None:
    output = demo.stdout
    assert output is not None
    os.set_blocking(output.fileno(), False)
    seen = b""

    def killed() -> bool:
        nonlocal seen
        with suppress(BlockingIOError):
            seen += os.read(output.fileno(), 4096)
        return b"killed" in seen

    await wait_until(killed, seconds=60, what="the work has begun")


async def test_the_time_limit(folder: Path) -> None:
    """A run that takes too long says how far it came and where its logs are."""
    with started_demo(folder, "--limit", "6", "--seed", "1") as demo:
        _, errors = demo.communicate()
    assert demo.returncode == 1
    assert errors.startswith("perdure: the demo was not finished within 6 s")
    assert "seed was 1" in errors


async def test_missing_servers(folder: Path) -> None:
    """Where there is no RabbitMQ to start, the message says what to install."""
    with started_demo(folder, "--rabbitmq", PERDURE_BROKER_URL="amqp://guest:guest@127.0.0.1:1/") as demo:
        _, errors = demo.communicate()
    assert demo.returncode == 1
    assert errors.count("\n") == 1
    assert "RabbitMQ does not answer" in errors
