"""`perdure replay --check`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from runtime.cli.choosing import choice, is_file
from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError, WrongInput, explain
from runtime.cli.options import address
from runtime.cli.output import console, print_json

if TYPE_CHECKING:
    from actors import App
    from eventstore import EventStore
    from runtime.debugging.checking import Finding

DIFFERENT = 1
NOT_KNOWN = 2
_COLOURS = {"replays": "green", "differs": "red", "raises": "red", "unknown": "yellow"}


def check_histories(
    servers: Servers, reference: str, places: list[str], filters: tuple[Any, ...], *, json: bool
) -> None:
    """Replay histories with an application, tell of each that does not fit, and sum up.

    Ends the command with status 0 when all of them replay, 1 when one differs, else 2 when one could not be checked.
    """
    try:
        findings = _check(servers, reference, places, filters, json=json)
    except Exception as error:
        if (sentence := explain(error)) is None:
            raise
        console(stderr=True).print(f"perdure: {sentence}")
        raise typer.Exit(NOT_KNOWN) from None
    counts = dict.fromkeys(_COLOURS, 0)
    for finding in findings:
        counts[finding.verdict] += 1
    summary = {"checked": len(findings), **counts}
    if json:
        print_json({"summary": summary})
    else:
        rest = ", ".join(f"{n} {verdict}" for verdict, n in counts.items() if n and verdict != "replays")
        console().print(
            f"{counts['replays']} of {len(findings)} replay with {reference}" + (f"; {rest}" if rest else "")
        )
    if counts["differs"] or counts["raises"]:
        raise typer.Exit(DIFFERENT)
    if counts["unknown"]:
        raise typer.Exit(NOT_KNOWN)


def _check(
    servers: Servers, reference: str, places: list[str], filters: tuple[Any, ...], *, json: bool
) -> list[Finding]:
    from runtime.cli.loading import load_app

    app = load_app(reference)
    findings: list[Finding] = []

    def found(finding: Finding) -> None:
        findings.append(finding)
        _tell(finding, json=json)

    files = [Path(place) for place in places if is_file(place)]
    streams = [place for place in places if not is_file(place)]
    chosen = any(value is not None for value in filters)
    if chosen and places:
        raise WrongInput(
            "--check takes files and instances by name, or chooses from the store with --type and the like; not both"
        )
    if files:
        _check_files(app, files, found)
    if streams or not places:
        _check_store(servers, app, streams, filters, found)
    if not findings:
        raise CommandLineError(
            "there was nothing to check: no instance is like that; `perdure list` shows what there is"
        )
    return findings


def _check_files(app: App, places: list[Path], found: Callable[[Finding], None]) -> None:
    from actors.errors import HistoryRefused
    from runtime.debugging.checking import check, unknown
    from runtime.debugging.files import files_in, read_file

    for path in files_in(places):
        try:
            finding = check(app, read_file(path))
        except (HistoryRefused, OSError) as error:
            finding = unknown(str(path), error)
        found(finding)


def _check_store(
    servers: Servers, app: App, streams: list[str], filters: tuple[Any, ...], found: Callable[[Finding], None]
) -> None:
    from runtime.cli.listing import with_store
    from runtime.debugging import choice as choosing
    from runtime.debugging.checking import check, unknown

    wanted = choice(*filters)
    for stream in streams:
        address(stream)

    async def work(store: EventStore) -> None:
        for stream in streams or [listed.stream for listed in await choosing.chosen(store, wanted)]:
            instance = await choosing.read(store, stream)
            missing = CommandLineError(f"there is no {stream}")
            found(unknown(stream, missing) if instance is None else check(app, instance))

    with_store(servers, work)


def _tell(finding: Finding, *, json: bool) -> None:
    from rich.text import Text

    if json:
        print_json(finding)
    elif finding.verdict != "replays":
        out = console()
        out.print(Text.assemble((finding.verdict, _COLOURS[finding.verdict]), f"  {finding.name}: {finding.sentence}"))
        for line in (finding.trace or "").splitlines()[-1:]:
            out.print(f"         {line}")
