"""`python -m benchmarks.peers` on the command line. The peers themselves are installed by `make bench-peers` alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_an_unknown_ratio() -> None:
    """A wrong word is answered with those that there are, before anything is installed or started."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.peers", "--only", "w1_vs_nobody"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "w1_vs_nobody" in done.stderr
    assert "w1_vs_restate" in done.stderr
