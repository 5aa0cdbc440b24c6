"""What people see while it runs: a line that moves, and a line for each outcome."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.peers.contest import Outcome
from benchmarks.peers.rival import Peer


class Display:
    """Progress in measurements, of the peers and of Perdure together."""

    def __init__(self, console: Console, measurements: int) -> None:
        self._console = console
        self._progress = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[doing]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=2,  # its CPU is the measured programs' loss
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("measurements", total=measurements, doing="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def preparing(self, what: str) -> None:
        """Show what is made ready."""
        self._progress.update(self._task, doing=what)
        if not self._console.is_terminal:
            self._console.print(what)

    def measuring(self, what: str) -> None:
        """Show what is measured next, and count it."""
        self._progress.update(self._task, doing=what, advance=1)

    def found(self, peer: Peer, outcome: Outcome) -> None:
        """Print an outcome."""
        theirs, ours = outcome.per_second
        rates = f"{peer.title} {theirs:,.0f} {outcome.unit}s/s, Perdure {ours:,.0f}"
        self._console.print(f"{outcome.key}: {outcome.lanes} at once: {rates}, ratio {outcome.ratio:.2f}")

    def failed(self, what: str) -> None:
        """Print why something is missing."""
        self._console.print(what)
