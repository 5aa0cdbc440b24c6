"""What replay finds, in lines of text for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import UnsetType

from runtime.cli.output import duration, json_text
from runtime.debugging.difference import Difference
from runtime.debugging.replaying import Coroutine, Place

__all__ = ["differences", "duration", "pretty", "short", "where"]

_SHORT = 120


def pretty(value: Any) -> str:
    """Give builtins as JSON over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def short(value: Any) -> str:
    """Give builtins as JSON on a line that is not long."""
    text = json_text(value)
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def where(found: Sequence[Coroutine]) -> Iterator[str]:
    """Say where each coroutine stands: frames with their line of code and variables, and what it waits for."""
    for coroutine in found:
        yield f"{coroutine.name} waits for {coroutine.waits_for}"
        for place in coroutine.frames:
            yield f"  {_near(place.file)}:{place.line} in {place.function}"
            if code := source_line(place):
                yield f"    > {code}"
            for name, value in place.variables.items():
                yield f"      {name} = {short(value)}"


def differences(found: Sequence[Difference]) -> Iterator[str]:
    """Give a line a difference: `+` is new, `-` has gone."""
    if not found:
        yield "the state is the same"
    for one in found:
        if isinstance(one.before, UnsetType):
            yield f"+ {one.path} = {short(one.after)}"
        elif isinstance(one.after, UnsetType):
            yield f"- {one.path} = {short(one.before)}"
        else:
            yield f"~ {one.path}: {short(one.before)} → {short(one.after)}"


def source_line(place: Place) -> str:
    """Give the line of code where a frame stands, empty when its file is not here."""
    import linecache

    return linecache.getline(place.file, place.line).strip()


def _near(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file
