"""A line that moves while something takes long: on a terminal, and nowhere else."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import Progress, ProgressColumn, TimeElapsedColumn


class MovingLine:
    """Base of what shows progress: columns of rich's, and the time. `fields` are what its texts name."""

    def __init__(
        self, console: Console, *columns: ProgressColumn, total: int, refresh_per_second: float = 10, **fields: Any
    ) -> None:
        self._console = console
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=console,
            transient=True,
            refresh_per_second=refresh_per_second,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total, **fields)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, **changed: Any) -> None:
        """Show something else: fields, or `completed` or `advance`, in units of the total."""
        self._progress.update(self._task, **changed)
