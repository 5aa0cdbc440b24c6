from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

_PIPE_WIDTH = 100_000  # nothing is folded or cut for a reader that is no terminal


def console(*, stderr: bool = False) -> Console:
    """Give a console for people; its markup is off, because what it prints is data."""
    made = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = max(made.width, _PIPE_WIDTH)
    return made


def print_table(table: Table) -> None:
    """Print a table; in a pipe, without the spaces that would pad its lines."""
    out = console()
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def print_json(value: Any) -> None:
    """Print one JSON document on a line of its own."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """Give a value as one line of JSON."""
    return msgspec.json.encode(value, enc_hook=repr).decode()


def plain(value: Any) -> Any:
    """Copy a value into builtins that JSON can hold; what it can't is shown as Python would."""
    try:
        return msgspec.to_builtins(value, enc_hook=repr, str_keys=True)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def local_time(moment: datetime) -> str:
    """Give a time for people, in their own zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Give a span of time for people: `12 ms`, `3.4 s`, `5 min 10 s`, `2 h 3 min`, `4 d 5 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"
