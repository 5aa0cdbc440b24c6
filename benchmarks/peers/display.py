"""What people see while it runs: a line that moves, and a line for each outcome."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

from benchmarks.peers.contest import Outcome
from benchmarks.peers.rival import Peer
from runtime.progress import MovingLine


class Display(MovingLine):
    """Progress in measurements, of the peers and of Perdure together."""

    def __init__(self, console: Console, measurements: int) -> None:
        super().__init__(
            console,
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[doing]}"),
            total=measurements,
            refresh_per_second=2,  # its CPU is the measured programs' loss
            doing="",
        )

    def preparing(self, what: str) -> None:
        """Show what is made ready."""
        self.show(doing=what)
        if not self._console.is_terminal:
            self._console.print(what)

    def measuring(self, what: str) -> None:
        """Show what is measured next, and count it."""
        self.show(doing=what, advance=1)

    def found(self, peer: Peer, outcome: Outcome) -> None:
        """Print an outcome."""
        theirs, ours = outcome.per_second
        rates = f"{peer.title} {theirs:,.0f} {outcome.unit}s/s, Perdure {ours:,.0f}"
        self._console.print(f"{outcome.key}: {outcome.lanes} at once: {rates}, ratio {outcome.ratio:.2f}")

    def failed(self, what: str) -> None:
        """Print why something is missing."""
        self._console.print(what)
