"""The figures as pictures, drawn by matplotlib (the extra `bench`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtime.bench.display import ROLES
from runtime.bench.figures import Measurement
from runtime.bench.report import Results
from runtime.bench.workload import Workload


class NoPlots(Exception):
    """The library that draws is not installed."""


def draw(folder: Path, workloads: Sequence[Workload], results: Results) -> list[Path]:
    """Draw throughput, latency and CPU; gives the files.

    Raises:
        NoPlots: matplotlib is not installed.
        OSError: the folder can't be written.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise NoPlots("no plots without matplotlib: pip install 'perdure[bench]'") from None
    mpl.use("svg")
    lines = [
        (f"{workload.key.upper()} {measured.name} ({measured.engine})", measured)
        for workload in workloads
        for measured in results[workload.key]
    ]
    return [_throughput(folder, lines), _latency(folder, lines), _cpu(folder, lines)]


Lines = Sequence[tuple[str, Measurement]]


def _throughput(folder: Path, lines: Lines) -> Path:
    shown = [(label, measured) for label, measured in lines if measured.per_second]
    labels = [f"{label}, {measured.unit}s/s" for label, measured in shown]
    series = {"per second": [measured.per_second or 0.0 for _, measured in shown]}
    return _bars(folder / "throughput.svg", "Throughput", labels, series, stacked=False, logarithmic=True)


def _latency(folder: Path, lines: Lines) -> Path:
    shown = [(label, measured.latency_ms) for label, measured in lines if measured.latency_ms is not None]
    series = {
        "p50": [latency.p50 for _, latency in shown],
        "p95": [latency.p95 for _, latency in shown],
        "p99": [latency.p99 for _, latency in shown],
    }
    labels = [label for label, _ in shown]
    return _bars(folder / "latency.svg", "Latency, ms", labels, series, stacked=False, logarithmic=True)


def _cpu(folder: Path, lines: Lines) -> Path:
    shown = [(f"{label}, per {measured.unit}", measured.cpu_us) for label, measured in lines if measured.cpu_us]
    series = {role: [cpu.get(role, 0.0) for _, cpu in shown] for role in ROLES if any(role in cpu for _, cpu in shown)}
    labels = [label for label, _ in shown]
    return _bars(folder / "cpu.svg", "CPU by process, µs", labels, series, stacked=True, logarithmic=False)


def _bars(
    path: Path,
    title: str,
    labels: Sequence[str],
    series: dict[str, list[float]],
    *,
    stacked: bool,
    logarithmic: bool,
) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 1.5 + 0.35 * max(1, len(labels))), layout="constrained")
    axes = figure.subplots()
    height = 0.8 if stacked else 0.8 / max(1, len(series))
    left = [0.0] * len(labels)
    for place, (name, values) in enumerate(series.items()):
        rows = [row + (0.0 if stacked else (place - (len(series) - 1) / 2) * height) for row in range(len(labels))]
        axes.barh(rows, values, height, left=left if stacked else None, label=name)
        if stacked:
            left = [before + value for before, value in zip(left, values, strict=True)]
    axes.set_yticks(range(len(labels)), labels=list(labels), fontsize=8)
    axes.invert_yaxis()
    if logarithmic:
        axes.set_xscale("log")
    axes.set_title(title, loc="left")
    axes.grid(visible=True, axis="x", alpha=0.3)
    if len(series) > 1:
        axes.legend()
    figure.savefig(path)
    return path
