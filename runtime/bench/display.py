"""What people see: a line that moves, a line for each measurement, and the table in the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.table import Table

from runtime.bench.figures import Measurement
from runtime.bench.machine import Machine
from runtime.bench.workload import Workload
from runtime.progress import MovingLine

ROLES = ("node", "worker", "client", "Postgres", "RabbitMQ", "replay")


class Display(MovingLine):
    """Progress while it runs."""

    def __init__(self, console: Console, workloads: int) -> None:
        super().__init__(
            console,
            TextColumn("{task.fields[key]}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[doing]}"),
            total=workloads,
            refresh_per_second=4,  # its CPU is the measured programs' loss
            key="",
            doing="starting the servers",
        )

    def begin(self, workload: Workload) -> None:
        """Show which workload runs."""
        self.show(key=workload.key.upper(), doing="starting the processes")

    def doing(self, what: str, done: int) -> None:
        """Show what is being done, and how many requests of it have their answer."""
        self.show(doing=f"{what}: {done:,}" if done else what)

    def end(self) -> None:
        """Count a workload as done."""
        self.show(advance=1)

    def found(self, workload: Workload, measured: Measurement) -> None:
        """Print a measurement."""
        self._console.print(f"  {workload.key.upper()}  {summary(measured)}", markup=False, highlight=False)


def summary(measured: Measurement) -> str:
    """Give a measurement in a line."""
    parts = [f"{measured.engine}: {measured.name}"]
    if measured.per_second is not None:
        parts.append(f"{measured.per_second:,.0f} {measured.unit}s/s")
    if measured.latency_ms is not None:
        parts.append(f"p50 {measured.latency_ms.p50:,.1f} ms, p99 {measured.latency_ms.p99:,.1f} ms")
    return " · ".join([*parts, *_particulars(measured)])


def print_table(console: Console, workload: Workload, measurements: Sequence[Measurement]) -> None:
    """Print what came out of a workload, units included."""
    roles = [role for role in ROLES if any(role in measured.cpu_us for measured in measurements)]
    table = Table(title=f"{workload.key.upper()}  {workload.title}", title_justify="left", caption_justify="left")
    table.caption = workload.note or None
    for heading in ("engine", "measured"):
        table.add_column(heading)
    headings = ["count", "per second", "p50 ms", "p95 ms", "p99 ms", *(f"{role} CPU µs" for role in roles)]
    for heading in [*headings, "others' cores"]:
        table.add_column(heading, justify="right")
    table.add_column("besides")
    for measured in measurements:
        table.add_row(*_row(measured, roles))
    console.print(table)


def print_machine(console: Console, machine: Machine) -> None:
    """Print where the figures come from."""
    packages = ", ".join(f"{name} {number}" for name, number in machine.packages.items())
    console.print(
        f"{machine.cores} cores of {machine.cpu}, {machine.memory_gib:g} GiB, {machine.system}, {machine.python}"
    )
    console.print(packages)
    for engine, facts in machine.servers.items():
        console.print(f"{engine}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    after = "" if machine.load_after is None else f", after it {_loads(machine.load_after)}"
    console.print(f"load of 1, 5 and 15 minutes before the run {_loads(machine.load_before)}{after}")
    console.print("CPU is per unit counted, user and system time of each role's processes together.")


def _row(measured: Measurement, roles: Sequence[str]) -> list[str]:
    latency = measured.latency_ms
    shown = [""] * 3 if latency is None else [f"{value:,.1f}" for value in (latency.p50, latency.p95, latency.p99)]
    return [
        measured.engine,
        measured.name,
        f"{measured.count:,} {measured.unit}s",
        "" if measured.per_second is None else f"{measured.per_second:,.0f}",
        *shown,
        *(f"{measured.cpu_us[role]:,.1f}" if role in measured.cpu_us else "" for role in roles),
        "" if measured.foreign_cores is None else f"{measured.foreign_cores:.2f}",
        ", ".join(_particulars(measured)),
    ]


def _particulars(measured: Measurement) -> list[str]:
    return [f"{name} {value:,.0f}" for name, value in measured.figures.items()]


def _loads(loads: tuple[float, float, float]) -> str:
    return " ".join(f"{load:.2f}" for load in loads)
