"""The figures as pictures, drawn by matplotlib (the extra `bench`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runtime.bench.display import ROLES
from runtime.bench.figures import Measurement
from runtime.bench.report import Results
from runtime.bench.workload import Workload

Lines = Sequence[tuple[str, Measurement]]


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


def _throughput(folder: Path, lines: Lines) -> Path:
    shown = [(label, measured) for label, measured in lines if measured.per_second]
    labels = [f"{label}, {measured.unit}s/s" for label, measured in shown]
    series = {"per second": [measured.per_second or 0.0 for _, measured in shown]}
    return _side_by_side(folder / "throughput.svg", "Throughput", labels, series)


def _latency(folder: Path, lines: Lines) -> Path:
    shown = [(label, measured.latency_ms) for label, measured in lines if measured.latency_ms is not None]
    series = {
        "p50": [latency.p50 for _, latency in shown],
        "p95": [latency.p95 for _, latency in shown],
        "p99": [latency.p99 for _, latency in shown],
    }
    return _side_by_side(folder / "latency.svg", "Latency, ms", [label for label, _ in shown], series)


def _cpu(folder: Path, lines: Lines) -> Path:
    """Shares and not times, which differ a hundredfold between workloads: the picture is of who spends it."""
    shown = [(label, measured) for label, measured in lines if len(measured.cpu_us) > 1]
    totals = [sum(measured.cpu_us.values()) for _, measured in shown]
    labels = [
        f"{label}: {total:,.0f} µs a {measured.unit}" for (label, measured), total in zip(shown, totals, strict=True)
    ]
    figure, axes = _axes(labels, "CPU by process, %")
    left = [0.0] * len(labels)
    for role in ROLES:
        shares = [
            100 * measured.cpu_us.get(role, 0.0) / total for (_, measured), total in zip(shown, totals, strict=True)
        ]
        if any(shares):
            axes.barh(range(len(labels)), shares, 0.8, left=left, label=role)
            left = [before + share for before, share in zip(left, shares, strict=True)]
    axes.set_xlim(0, 100)
    return _save(figure, axes, folder / "cpu.svg")


def _side_by_side(path: Path, title: str, labels: Sequence[str], series: dict[str, list[float]]) -> Path:
    figure, axes = _axes(labels, f"{title} (logarithmic)")
    height = 0.8 / len(series)
    for place, (name, values) in enumerate(series.items()):
        rows = [row + (place - (len(series) - 1) / 2) * height for row in range(len(labels))]
        bars = axes.barh(rows, values, height, label=name)
        axes.bar_label(
            bars, [f"{value:,.0f}" if value >= 100 else f"{value:.1f}" for value in values], fontsize=7, padding=2
        )
    axes.set_xscale("log")
    most = max((value for values in series.values() for value in values), default=1.0)
    # Where a logarithmic bar begins is arbitrary, but should not depend on the figures. Right of it is room for its number.
    axes.set_xlim(1, 3 * max(1.0, most))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return _save(figure, axes, path)


def _axes(labels: Sequence[str], title: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 1.5 + 0.4 * max(1, len(labels))), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), labels=list(labels), fontsize=8)
    axes.set_ylim(max(1, len(labels)) - 0.4, -0.6)
    axes.set_title(title, loc="left")
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="x", alpha=0.3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, axes: Any, path: Path) -> Path:
    if len(axes.containers) > 1:
        figure.legend(loc="outside lower right", ncols=len(ROLES))
    figure.savefig(path)
    return path
