"""One suite in a process of its own, with a bug planted or without; the last line printed is what was found, as JSON.

python -m tests.mutants.child "ack before commit"      the mutant's suite, with its bug
python -m tests.mutants.child --control-seeds 0 200     seeds without any bug
python -m tests.mutants.child --control-tests NODE …    tests without any bug
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
import structlog

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Tests
from tests.mutants.planting import plant

RUN = "PERDURE_MUTANTS_RUN"  # environment variable: the run whose servers are used


class Found(msgspec.Struct):
    """What a suite found: failures by test or seed, with their messages, and how many were run."""

    failures: dict[str, str] = {}
    run: int = 0


def run_seeds(first: int, most: int, *, until_failure: bool) -> Found:
    """Run seeds of the simulation."""
    from tests.simulation.seed import SeedFailed, run_seed

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    found = Found()
    for seed in range(first, first + most):
        found.run += 1
        try:
            run_seed(seed)
        except SeedFailed as failed:
            found.failures[f"seed {seed}"] = str(failed)
            if until_failure:
                break
    return found


def run_tests(nodes: Sequence[str]) -> Found:
    """Run tests by their node ids."""
    collector = _Collector()
    status = pytest.main(["-q", "-p", "no:cacheprovider", "--timeout=150", *nodes], plugins=[collector])
    if status not in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
        raise SystemExit(f"pytest ended with {status!r}: {nodes}")
    return collector.found


class _Collector:
    def __init__(self) -> None:
        self.found = Found()

    def pytest_configure(self, config: Any) -> None:
        if run := os.environ.get(
            RUN
        ):  # the servers of this run are shared by its children, as by pytest-xdist's workers
            config.workerinput = {"testrunuid": run}

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.found.run += report.when == "call"
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash is not None else str(report.longrepr)
            self.found.failures[report.nodeid] = f"{report.when}: {message}\n{report.longreprtext[-3000:]}"


def main(arguments: list[str]) -> Found:
    """Do what the arguments say."""
    match arguments:
        case ["--control-seeds", first, most]:
            return run_seeds(int(first), int(most), until_failure=False)
        case ["--control-tests", *nodes]:
            return run_tests(nodes)
        case [name]:
            mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
            plant(mutant.edits)
            if isinstance(mutant.suite, Tests):
                return run_tests(mutant.suite.nodes)
            return run_seeds(mutant.suite.first, mutant.suite.most, until_failure=True)
        case _:
            raise SystemExit(f"not understood: {arguments}")


if __name__ == "__main__":
    answer = main(sys.argv[1:])
    print("\n" + msgspec.json.encode(answer).decode())  # noqa: T201 - the parent reads it
