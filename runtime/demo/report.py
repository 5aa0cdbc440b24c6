"""What the demo says at its end."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.table import Table

from runtime.demo.audit import Verdict
from runtime.demo.evidence import Evidence

_NAMES = {
    "orders": "orders ended",
    "fulfilled": "fulfilled",
    "refused": "refused",
    "invoices": "invoices",
    "units": "units shipped",
    "goods_value": "goods value, US$",
    "lost": "lost",
    "duplicated": "done twice",
}
_JSON = msgspec.json.Encoder(decimal_format="number")


def print_verdict(console: Console, verdict: Verdict, evidence: Evidence, kills: int, seconds: float) -> None:
    """Print the audit as a table."""
    console.print("\nAudit, from outside: the shop's database and the log", style="bold", highlight=False)
    table = Table()
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("expected", justify="right")
    table.add_column("")
    for field, name in _NAMES.items():
        found, expected = getattr(verdict.found, field), getattr(verdict.expected, field)
        table.add_row(name, f"{found:,}", f"{expected:,}", "[green]✓" if found == expected else "[red]✗")
    console.print(table)
    console.print(
        f"{kills} processes killed with SIGKILL. {evidence.told_twice} orders were sent their command twice and took it "
        f"once. {evidence.events:,} events in the log. {seconds:.1f} s in all.",
        markup=False,
        highlight=False,
    )
    for fault in verdict.faults:
        console.print(f"✗ {fault}", style="red", markup=False, highlight=False)


def print_next(console: Console, order: int, reopen: str) -> None:
    """Print what to try with the data that the run left; `order` is one worth looking at."""
    commands = {
        f"perdure show ProcessOrder/{order} {reopen}": "an order that outlived its node",
        f"perdure replay ProcessOrder/{order} {reopen}": "its state after each event",
        f"perdure replay ProcessOrder/{order} --at 9 {reopen}": "and at one of them",
        f"perdure list --status failed {reopen}": "the refused ones, with the reason",
    }
    if "--app" in reopen:  # only replay needs the code
        commands = {
            (line if "replay" in line else line.partition(" --app")[0]): what for line, what in commands.items()
        }
    console.print("\nTry next:", style="bold")
    width = max(map(len, commands))
    for line, what in commands.items():
        console.print(f"  {line:<{width}}  # {what}", markup=False, highlight=False, soft_wrap=True)


def json_line(verdict: Verdict, kills: int, seconds: float) -> str:
    """Give the figures as one JSON object."""
    found = verdict.found
    return _JSON.encode(
        {
            "orders": found.orders,
            "fulfilled": found.fulfilled,
            "refused": found.refused,
            "invoices": found.invoices,
            "units": found.units,
            "goods_value": found.goods_value,
            "kills": kills,
            "lost": found.lost,
            "duplicated": found.duplicated,
            "seconds": round(seconds, 1),
        }
    ).decode()
