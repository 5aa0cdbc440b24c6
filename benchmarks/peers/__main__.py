"""`python -m benchmarks.peers`: Perdure beside its peers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from benchmarks.peers.contest import Effort
from benchmarks.peers.contests import KEYS, PROGRAM
from benchmarks.peers.report import Results, as_object, draw, print_tables, write_json
from benchmarks.peers.running import Program, run_peers
from runtime.bench.display import print_machine
from runtime.bench.plot import NoPlots
from runtime.cli.errors import Interrupted, explain
from runtime.cli.running import interruptible, run_async

_USUAL, _QUICK = Effort(3, 1.5, 4.0), Effort(1, 0.5, 1.0)
_INTERRUPTED = 130


def main(
    only: Annotated[str | None, typer.Option(metavar="KEY,KEY", help="Only these ratios; default: all seven.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="One short round: to see that it works.")] = False,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the JSON file and the plot go.")] = Path(
        ".perdure/bench"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print the ratios as one line of JSON, last.")] = False,
) -> None:
    """Do the same work with Perdure and with its peers, in turns, and print how many times as fast Perdure is."""
    wanted = _keys(only)
    program: Program = [
        (peer, several)
        for peer, contests in PROGRAM
        if (several := [contest for contest in contests if contest.key in wanted])
    ]
    console = Console(stderr=json, emoji=False, markup=False, highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 260)
    try:
        results = run_async(interruptible(run_peers(program, _QUICK if quick else _USUAL, console)))
    except (KeyboardInterrupt, Interrupted):
        raise typer.Exit(_INTERRUPTED) from None
    except Exception as error:
        if (sentence := explain(error)) is None:
            raise
        console.print(sentence)
        raise typer.Exit(1) from None
    print_tables(console, results)
    print_machine(console, results.machine)
    _keep(console, out, results)
    if json:
        sys.stdout.write(msgspec.json.encode(results.ratios()).decode() + "\n")
    else:
        for key, ratio in results.ratios().items():
            console.print(f"{key}: {'not measured' if ratio is None else ratio}")
    if results.missing:
        raise typer.Exit(1)


def _keys(only: str | None) -> set[str]:
    wanted = set(KEYS) if only is None else {key.strip().lower() for key in only.split(",")}
    if unknown := wanted - set(KEYS):
        raise typer.BadParameter(f"--only names {', '.join(sorted(unknown))}; there are {', '.join(KEYS)}")
    return wanted


def _keep(console: Console, folder: Path, results: Results) -> None:
    try:
        console.print(f"figures: {write_json(folder, as_object(results))}")
        console.print(f"plot: {draw(folder, results)}")
    except NoPlots as missing:
        console.print(str(missing))
    except OSError as error:
        console.print(f"{folder} can't be written: {error.strerror}; name another with --out")
        raise typer.Exit(1) from None


if __name__ == "__main__":
    application = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    application.command()(main)
    application()
