# ruff: noqa: T201 - a command prints
"""`make simulate`: run many seeds on all processors, and say which failed and how to run one of them again.

    python -m tests.simulation --seeds 20000 --first 0 --jobs 2

With one seed the whole story is printed. The last line is `20000 seeds, 0 failures, N seeds/s`; the status is 1 when a
seed failed, or when a set of seeds is large and some class of faults never happened in it.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator

import structlog
from msgspec import Struct

from tests.simulation.seed import Report, SeedFailed, run_seed
from tests.simulation.weather import Fault

CHUNK = 25
MANY = 2_000  # seeds from which on every class of faults must have happened
PATIENCE = 120  # seconds of real time for one seed: a step that never ends can't be counted
SAY_EVERY = 10.0  # seconds between two lines of progress, where no terminal is


class Tally(Struct):
    """What came of some seeds."""

    seeds: int = 0
    excused: int = 0
    faults: Counter[Fault] = Counter()
    failed: list[Report] = []

    def add(self, report: Report) -> None:
        """Count a seed."""
        self.seeds += 1
        self.excused += report.excused
        self.faults.update(report.faults)
        if report.error:
            self.failed.append(report)


def main() -> int:
    """Run the seeds; gives the exit status."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    _be_quiet()
    if options.seeds == 1:
        return _tell(options.first)
    seeds = range(options.first, options.first + options.seeds)
    began = time.monotonic()
    tally = Tally()
    for report in _reports(seeds, options.jobs):
        tally.add(report)
        if report.error:
            print(f"seed {report.seed} failed: {report.error}\n  {_again(report.seed)}", flush=True)
        _show_progress(tally, len(seeds), began)
    return _conclude(tally, time.monotonic() - began)


def _reports(seeds: range, jobs: int) -> Iterator[Report]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if jobs == 1:
        for chunk in chunks:
            yield from _run_chunk(chunk)
        return
    with multiprocessing.get_context("fork").Pool(jobs, initializer=_be_quiet) as pool:
        for reports in pool.imap_unordered(_run_chunk, chunks):
            yield from reports


def _run_chunk(seeds: range) -> list[Report]:
    gc.freeze()
    gc.disable()  # what a seed leaves behind is collected between chunks
    reports = []
    for seed in seeds:
        try:
            report = _in_time(seed)
        except SeedFailed as failed:
            report = failed.report
        report.story = []
        reports.append(report)
    gc.enable()
    gc.collect()
    return reports


def _in_time(seed: int) -> Report:
    def too_long(*_: object) -> None:
        raise TimeoutError(f"a step of seed {seed} does not end")

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(PATIENCE)
    try:
        return run_seed(seed)
    finally:
        signal.alarm(0)


def _tell(seed: int) -> int:
    began = time.monotonic()
    try:
        report = _in_time(seed)
    except SeedFailed as failed:
        report = failed.report
        traceback.print_exception(failed.__cause__)
    print(*report.story, sep="\n")
    print(*(f"{count:5d} times {fault}" for fault, count in sorted(report.faults.items())), sep="\n")
    print(
        f"seed {seed}: {report.steps} steps, trace {report.trace:016x}" + (f"; {report.error}" if report.error else "")
    )
    print(f"1 seeds, {int(bool(report.error))} failures, {1 / max(time.monotonic() - began, 0.001):.0f} seeds/s")
    return int(bool(report.error))


_said_at = 0.0


def _show_progress(tally: Tally, seeds: int, began: float) -> None:
    global _said_at  # noqa: PLW0603 - of this process's terminal there is one
    now = time.monotonic()
    interactive = sys.stderr.isatty()
    if tally.seeds < seeds and now - _said_at < (0.2 if interactive else SAY_EVERY):
        return
    _said_at = now
    rate = tally.seeds / max(now - began, 0.001)
    line = f"{tally.seeds} of {seeds} seeds, {len(tally.failed)} failures, {rate:.0f} seeds/s"
    last = tally.seeds == seeds
    print(
        f"\r{line}" if interactive else line, end="" if interactive and not last else "\n", file=sys.stderr, flush=True
    )


def _conclude(tally: Tally, seconds: float) -> int:
    print(*(f"{tally.faults[fault]:8d} times {fault}" for fault in Fault), sep="\n")
    if tally.excused:
        print(f"{tally.excused} seeds in which a message that had met too many deaths was put aside as poison")
    never = [fault for fault in Fault if not tally.faults[fault]] if tally.seeds >= MANY else []
    for fault in never:
        print(f"never happened, so nothing is known about it: {fault}")
    for report in tally.failed:
        print(f"failed: {_again(report.seed)}  # {report.error[:150]}")
    print(f"{tally.seeds} seeds, {len(tally.failed)} failures, {tally.seeds / max(seconds, 0.001):.0f} seeds/s")
    return 1 if tally.failed or never else 0


def _again(seed: int) -> str:
    return f"make simulate SEEDS=1 FIRST={seed}"


def _be_quiet() -> None:
    """Thousands of simulated deaths say a lot; SIMULATION_LOG=info lets them."""
    level = logging.getLevelNamesMapping()[os.environ.get("SIMULATION_LOG", "critical").upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))


if __name__ == "__main__":
    sys.exit(main())
