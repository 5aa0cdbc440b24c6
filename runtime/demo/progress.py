"""How far the run is: counted from results, shown as a bar."""

from __future__ import annotations

import asyncio
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Tally:
    """What has ended and who was killed; others may wait for it to grow."""

    def __init__(self, orders: int) -> None:
        self.orders = orders
        self.fulfilled = 0
        self.refused = 0
        self.kills = 0
        self._grown = asyncio.Condition()

    @property
    def ended(self) -> int:
        """How many orders have their result."""
        return self.fulfilled + self.refused

    async def count(self, *, refused: bool) -> None:
        """Count an order's end."""
        async with self._grown:
            if refused:
                self.refused += 1
            else:
                self.fulfilled += 1
            self._grown.notify_all()

    async def reaches(self, ended: int) -> None:
        """Wait until so many orders have ended."""
        async with self._grown:
            await self._grown.wait_for(lambda: self.ended >= ended)


class Display:
    """A bar that moves while the orders are processed, and a line for each kill."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._tally = tally
        self._console = console
        self._progress = Progress(
            TextColumn("orders"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("[green]{task.fields[fulfilled]} fulfilled"),
            TextColumn("[yellow]{task.fields[refused]} refused"),
            TextColumn("[red]{task.fields[kills]} kills"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("orders", total=tally.orders, fulfilled=0, refused=0, kills=0)

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self) -> None:
        """Show where the tally stands."""
        tally = self._tally
        self._progress.update(
            self._task, completed=tally.ended, fulfilled=tally.fulfilled, refused=tally.refused, kills=tally.kills
        )

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, markup=False, highlight=False)
