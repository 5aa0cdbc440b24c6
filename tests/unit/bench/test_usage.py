"""CPU and memory of real processes, and of the machine's other programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from runtime.bench.usage import Usage, read_usage, resident_bytes

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])\nprint('waited', flush=True)\nsys.stdin.read()"


def test_children_count_also_after_their_end() -> None:
    """A Postgres backend that ends during a measurement is not lost from it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        assert read_usage({"node": [parent.pid]}).roles["node"] >= 0.3
        parent.communicate()


def test_gone_processes_count_nothing() -> None:
    """A process may end while it is looked at."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    assert read_usage({"node": [process.pid]}).roles == {"node": 0.0}
    assert resident_bytes(process.pid) == 0


def test_resident_memory() -> None:
    """Python itself needs some megabytes."""
    assert 2**22 < resident_bytes(os.getpid()) < 2**33


def test_difference() -> None:
    """What was used since; a process that was started in between counts whole."""
    used = Usage({"node": 3.0, "worker": 1.0}, 9.0).since(Usage({"node": 2.0}, 4.0))
    assert used == Usage({"node": 1.0, "worker": 1.0}, 5.0)
    assert used.foreign == 3.0


def test_foreign_is_never_negative() -> None:
    """The machine's clock ticks are coarser than the sum of all roles'."""
    assert Usage({"node": 1.0}, 0.9).foreign == pytest.approx(0.0)
