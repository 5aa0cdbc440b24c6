"""What people and programs are told: a table, a JSON file, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from rich.console import Console
from rich.table import Table

from benchmarks.peers.contest import Contest, Outcome
from benchmarks.peers.contests import KEYS, PROGRAM
from runtime.bench.machine import Machine
from runtime.bench.plot import NoPlots

_PEER, _PERDURE = "#9aa4ad", "#c2410c"


class Results(Struct):
    """What came out of a run."""

    machine: Machine
    outcomes: list[Outcome] = []
    missing: dict[str, str] = {}  # by key: why there is no ratio

    def ratios(self) -> dict[str, float | None]:
        """Give the seven ratios, each at the highest concurrency; None for what could not be measured."""
        last = {outcome.key: outcome.ratio for outcome in self.outcomes}
        return {key: last.get(key) for key in KEYS}

    def of(self, contest: Contest) -> list[Outcome]:
        """Give the outcomes of a contest."""
        return [outcome for outcome in self.outcomes if outcome.key == contest.key]


def print_tables(console: Console, results: Results) -> None:
    """Print a table for each peer, and what is missing."""
    for peer, contests in PROGRAM:
        found = [(contest, outcome) for contest in contests for outcome in results.of(contest)]
        if found:
            console.print(_table(peer.title, found))
            for contest in {contest.key: contest for contest, _ in found}.values():
                if contest.note:
                    console.print(f"{contest.key}: {contest.note}")
    for key, why in results.missing.items():
        console.print(f"{key}: {why}")


def _table(title: str, found: Sequence[tuple[Contest, Outcome]]) -> Table:
    table = Table(title=f"{title} and Perdure, medians of the rounds", title_justify="left")
    for heading in ("measured", "at once"):
        table.add_column(heading)
    headings = [f"{title} /s", "Perdure /s", "ratio", f"{title} p50 ms", "Perdure p50 ms"]
    for heading in [*headings, f"{title} CPU µs", "Perdure CPU µs"]:
        table.add_column(heading, justify="right")
    for contest, outcome in found:
        (peer, perdure), (late, ours), (cost, own) = outcome.per_second, outcome.p50, outcome.cpu
        table.add_row(
            f"{contest.key[:2].upper()} {contest.title} ({contest.unit}s)",
            str(outcome.lanes),
            *(f"{peer:,.0f}", f"{perdure:,.0f}", f"{outcome.ratio:.2f}"),
            *(f"{late:,.1f}", f"{ours:,.1f}", f"{cost:,.1f}", f"{own:,.1f}"),
        )
    return table


def as_object(results: Results) -> dict[str, Any]:
    """Give everything: ratios, medians, each round, the peers' settings, the machine."""
    peers = {peer.key: {"title": peer.title, "settings": peer.settings} for peer, _ in PROGRAM}
    medians = [
        {
            "key": outcome.key,
            "at_once": outcome.lanes,
            "unit": outcome.unit,
            "ratio": outcome.ratio,
            **{
                side: {"per_second": rate, "p50_ms": p50, "cpu_us": cpu}
                for side, rate, p50, cpu in zip(
                    ("peer", "perdure"), outcome.per_second, outcome.p50, outcome.cpu, strict=True
                )
            },
        }
        for outcome in results.outcomes
    ]
    made: dict[str, Any] = msgspec.to_builtins(
        {
            "ratios": results.ratios(),
            "missing": results.missing,
            "medians": medians,
            "rounds": results.outcomes,
            "peers": peers,
            "machine": results.machine,
        }
    )
    return made


def write_json(folder: Path, report: Mapping[str, Any]) -> Path:
    """Write `peers.json`; gives its path. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "peers.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    return path


def draw(folder: Path, results: Results) -> Path:
    """Draw `peers.png`: for each contest its peer and Perdure, and the ratio.

    Raises:
        NoPlots: matplotlib is not installed.
        OSError: the folder can't be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        raise NoPlots("no plots without matplotlib: pip install 'perdure[bench]'") from None
    mpl.use("agg")
    panels = [(peer.title, contest, results.of(contest)) for peer, several in PROGRAM for contest in several]
    panels = [panel for panel in panels if panel[2]]
    columns = 2
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(13, 2.9 * rows + 0.8), layout="constrained")
    figure.suptitle(f"Perdure beside its peers, per second: {results.machine.cores} cores, {results.machine.cpu}")
    for place, (title, contest, outcomes) in enumerate(panels, 1):
        _panel(figure.add_subplot(rows, columns, place), title, contest, outcomes)
    path = folder / "peers.png"
    figure.savefig(path, dpi=110)
    return path


def _panel(axes: Any, title: str, contest: Contest, outcomes: Sequence[Outcome]) -> None:
    height = 0.38
    for place, (name, colour) in enumerate(((title, _PEER), ("Perdure", _PERDURE))):
        values = [outcome.per_second[place] for outcome in outcomes]
        rows = [row + (place - 0.5) * height for row in range(len(outcomes))]
        bars = axes.barh(rows, values, height, label=name, color=colour)
        texts = [f" {value:,.0f}" for value in values]
        if place == 1:
            texts = [f"{text}  = {outcome.ratio:.1f} times" for text, outcome in zip(texts, outcomes, strict=True)]
        axes.bar_label(bars, texts, fontsize=8)
    axes.set_yticks(range(len(outcomes)), labels=[f"{outcome.lanes} at once" for outcome in outcomes], fontsize=8)
    axes.set_ylim(
        max(len(outcomes), 2) - 0.5, -0.5 if len(outcomes) > 1 else -1.0
    )  # a single bar is no wider than three
    axes.margins(x=0.3)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(axis="x", labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"{contest.key[:2].upper()} beside {title}: {contest.title}", loc="left", fontsize=9)
    axes.set_xlabel(f"{contest.unit}s per second", fontsize=8)
    axes.legend(fontsize=8, loc="upper right", frameon=False)
