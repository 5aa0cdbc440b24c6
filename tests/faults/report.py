"""The end of a run, for people and for programs."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field
from rich.console import Console
from rich.table import Table

from tests.faults.drill import Recovery
from tests.faults.invariants import INVARIANTS
from tests.faults.plan import COMMANDS, MINIMUM, Kind

_SHOWN = 5  # violations of one invariant


class Report(Struct):
    """What a run found. It is good when `faults` is empty."""

    seed: int
    minutes: float
    seconds: float = 0.0
    accepted: int = 0
    events: int = 0
    unknown: int = 0  # calls whose outcome the client did not learn at first
    seen: Counter[Kind] = field(default_factory=Counter)
    violations: dict[str, list[str]] = field(default_factory=dict)
    recoveries: list[Recovery] = field(default_factory=list)
    progress: float = 0.0  # seconds from heal to a new commit on every partition
    crashes: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)  # the run itself could not go on

    def faults(self) -> list[str]:
        """Name everything for which the run fails."""
        found = list(self.trouble)
        found += [f"{kind}: {self.seen[kind]} of {least}" for kind, least in MINIMUM.items() if self.seen[kind] < least]
        if self.accepted < COMMANDS:
            found.append(f"accepted commands: {self.accepted} of {COMMANDS}")
        found += [f"{name}: {len(lines)} violations" for name, lines in self.violations.items() if lines]
        found += [
            f"{each.drill}: a partition took {each.worst:.1f} s, promised are {each.bound:g} s"
            for each in self.recoveries
            if not each.kept
        ]
        return found + self.crashes

    def as_object(self) -> dict[str, object]:
        """Give the figures for `--json`."""
        return {
            "seed": self.seed,
            "minutes": self.minutes,
            "seconds": round(self.seconds, 1),
            "accepted_commands": self.accepted,
            "unknown_outcomes": self.unknown,
            "events": self.events,
            "faults": {kind.name.lower(): self.seen[kind] for kind in MINIMUM},
            "invariants": {name: len(lines) for name, lines in self.violations.items()},
            "recovery_seconds": {each.drill: each.worst for each in self.recoveries},
            "server_start_seconds": {each.drill: each.server_back for each in self.recoveries if each.server_back},
            "progress_after_heal_seconds": self.progress,
            "failed": self.faults(),
        }


def print_report(console: Console, report: Report) -> None:
    """Print the tables, and what is wrong."""
    faults = Table("fault", "seen", "least", title="Faults")
    for kind, least in MINIMUM.items():
        faults.add_row(str(kind), _marked(report.seen[kind], good=report.seen[kind] >= least), str(least))
    console.print(faults)
    invariants = Table("", "invariant", "violations", title="Invariants")
    for name, lines in report.violations.items():
        what = (INVARIANTS[name].__doc__ or "").partition("\n")[0].partition(": ")[2]
        invariants.add_row(name, what, _marked(len(lines), good=not lines))
    console.print(invariants)
    recoveries = Table(
        "after", "slowest partition", "promised", "all partitions", "server back after", title="Recovery, s"
    )
    for each in report.recoveries:
        back = f"{each.server_back:.1f}" if each.server_back else ""
        worst = _marked(f"{each.worst:.1f}", good=each.kept)
        recoveries.add_row(each.drill, worst, f"{each.bound:g}", " ".join(map(str, each.by_partition)), back)
    console.print(recoveries)
    console.print(
        f"{report.accepted} commands accepted, {report.unknown} unknown outcomes on the way, {report.events} events, "
        f"{report.seconds:.0f} s; every partition went on {report.progress:.1f} s after heal"
    )
    for name, lines in report.violations.items():
        for line in lines[:_SHOWN]:
            console.print(f"  {name}: {line}", style="red", markup=False)
    for line in report.faults():
        console.print(f"failed: {line}", style="red", markup=False)
    console.print(f"seed {report.seed}: " + ("[red]failed" if report.faults() else "[green]every promise was kept"))


def _marked(value: object, *, good: bool) -> str:
    return f"[green]{value}" if good else f"[red]{value}"
