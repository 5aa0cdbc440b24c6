"""Random plots on simulated time: see `make simulate` for many of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.plot import CALLS, EVENTS, MESSAGES, plot
from tests.simulation.regressions import REGRESSIONS
from tests.simulation.seed import run_seed
from tests.simulation.weather import Fault

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_some_seeds(first: int) -> None:
    """A few of the seeds that `make simulate` runs by the thousand lose and double nothing."""
    for seed in range(first, first + 25):
        run_seed(seed)


@pytest.mark.parametrize("seed", REGRESSIONS)
def test_what_failed_once(seed: int) -> None:
    """A seed that has found a bug finds it no more."""
    run_seed(seed)


def test_the_same_seed_is_the_same_run() -> None:
    """Twice in one process, step by step and fault by fault."""
    seed = next(seed for seed in range(100) if len(plot(seed).events) > 2 and len(plot(seed).rates) > 2)
    assert run_seed(seed) == run_seed(seed)


def test_a_seed_is_the_same_run_in_another_process() -> None:
    """Also where hashes of texts, and so the order of sets, are others."""
    traces = {
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seeds", "1", "--first", "11"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.rpartition("\n1 seeds")[0]
        for hash_seed in ("1", "2")
    }
    assert len(traces) == 1
    assert "trace" in traces.pop()


def test_other_seeds_are_other_runs() -> None:
    """The trace tells runs apart."""
    assert len({run_seed(seed).trace for seed in range(20)}) == 20


def test_every_class_of_faults_is_chosen_by_some_plot() -> None:
    """No fault exists only on paper."""
    assert set(Fault) == {*CALLS, *MESSAGES, *EVENTS}
    plots = [plot(seed) for seed in range(1000)]
    chosen = {fault for each in plots for fault in (*each.rates, *(kind for _, kind in each.events))}
    assert chosen == set(Fault)
    assert any(each.calm for each in plots)
