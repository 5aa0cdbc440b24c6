"""`python -m tests.faults --seed N --minutes M`: the fault suite."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from runtime import logs
from runtime.cli.errors import Interrupted
from runtime.cli.running import interruptible, run_async
from runtime.servers import ServerError
from tests.faults.report import Report, print_report
from tests.faults.run import run


def main() -> int:
    """Run it; 0 when every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Break everything, and count.")
    parser.add_argument("--seed", type=int, help="repeats the faults of an earlier run; default: a new one")
    parser.add_argument("--minutes", type=float, default=6.0, help="about how long it takes (default: 6)")
    parser.add_argument("--json", action="store_true", help="the last line of standard output is one object")
    parser.add_argument("--keep", type=Path, help="a folder for the journals and logs of a run that failed")
    options = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    console = Console(stderr=options.json, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = 200
    logs.configure("warning")
    console.print(f"fault suite, seed {seed}, about {options.minutes:g} minutes")

    async def work() -> Report:
        return await interruptible(run(seed, options.minutes, console, options.keep))

    try:
        report = run_async(work())
    except (Interrupted, KeyboardInterrupt):
        console.print("interrupted; every process was ended")
        return 130
    except ServerError as error:
        console.print(f"the servers can't be had: {error}", markup=False)
        return 2
    print_report(console, report)
    if options.json:
        sys.stdout.write(msgspec.json.encode(report.as_object()).decode() + "\n")
    return 1 if report.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
