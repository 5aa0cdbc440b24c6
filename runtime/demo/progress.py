"""How far the run is: counted from results, shown as a bar."""

from __future__ import annotations

import asyncio

from rich.console import Console
from rich.progress import BarColumn, TextColumn

from runtime.progress import MovingLine


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


class Display(MovingLine):
    """A bar that moves while the orders are processed, and a line for each kill."""

    def __init__(self, console: Console, tally: Tally) -> None:
        self._tally = tally
        super().__init__(
            console,
            TextColumn("orders"),
            BarColumn(bar_width=None),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("[green]{task.fields[fulfilled]} fulfilled"),
            TextColumn("[yellow]{task.fields[refused]} refused"),
            TextColumn("[red]{task.fields[kills]} kills"),
            total=tally.orders,
            fulfilled=0,
            refused=0,
            kills=0,
        )

    def update(self) -> None:
        """Show where the tally stands."""
        tally = self._tally
        self.show(completed=tally.ended, fulfilled=tally.fulfilled, refused=tally.refused, kills=tally.kills)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self._console.print(line, markup=False, highlight=False)
