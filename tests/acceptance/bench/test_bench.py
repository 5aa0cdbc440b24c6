"""`perdure bench` as a user runs it: it measures, says where, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from runtime.servers.process import descendants, is_alive
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def started_bench(*flags: str) -> Iterator[subprocess.Popen[str]]:
    """Start the benchmark; it ends with the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-m", "runtime.cli", "bench", *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as bench:
        try:
            yield bench
        finally:
            bench.terminate()


@pytest.mark.timeout(300)
def test_a_quick_run(tmp_path: Path) -> None:
    """Figures of the workload in the last line and in the file, with the CPU of each process, and a picture."""
    with started_bench("--engine", "embedded", "--quick", "--only", "W1", "--json", "--out", str(tmp_path)) as bench:
        output, errors = bench.communicate()
    assert bench.returncode == 0, errors
    figures = json.loads(output.splitlines()[-1])
    assert figures == json.loads((tmp_path / "bench.json").read_bytes())
    assert set(figures) == {"w1", "machine"}
    assert figures["machine"]["servers"]["embedded"]["postgres_fsync"] == "on"
    measurements = figures["w1"]["measurements"]
    assert [measured["name"] for measured in measurements] == [f"concurrency {lanes}" for lanes in (1, 50, 200)]
    for measured in measurements:
        assert measured["per_second"] > 0
        assert measured["latency_ms"]["p50"] > 0
        assert {"node", "Postgres"} <= set(measured["cpu_us"])
    assert "One local step" in errors  # the table is for people


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_running(number: signal.Signals) -> None:
    """However it is ended in the middle of its work, its processes and servers end with it."""
    with started_bench("--engine", "embedded", "--only", "w1") as bench:
        await wait_until(lambda: _runs_a_client(bench.pid), seconds=120, what="the clients run")
        processes = descendants(bench.pid)
        bench.send_signal(number)
        await wait_until(lambda: bench.poll() is not None, seconds=60, what="the benchmark has ended")
        await wait_until(lambda: not any(map(is_alive, processes)), seconds=60, what="all of its processes are gone")
        assert bench.returncode == (-signal.SIGKILL if number is signal.SIGKILL else 130)


def _runs_a_client(pid: int) -> bool:
    for child in descendants(pid):
        with suppress(OSError):
            if b"runtime.bench.client" in Path(f"/proc/{child}/cmdline").read_bytes():
                return True
    return False


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--only", "w1,w12"), "--only names w12"),
        (("--engine", "kafka"), "--engine is rabbitmq, embedded or both, not 'kafka'"),
        (("--quick", "--full"), "opposites"),
    ],
)
def test_refusals(flags: tuple[str, ...], message: str) -> None:
    """A wrong word is answered in a line, before anything is started."""
    with started_bench(*flags) as bench:
        _, errors = bench.communicate()
    assert bench.returncode == 2
    assert message in errors
    assert errors.count("\n") == 1
