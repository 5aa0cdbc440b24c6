"""`perdure replay --check`."""

from __future__ import annotations

from typing import Any

from runtime.cli.connecting import Servers
from runtime.cli.errors import CommandLineError


def check_histories(
    servers: Servers, reference: str, places: list[str], filters: tuple[Any, ...], *, json: bool
) -> None:
    """Replay a set of histories."""
    raise CommandLineError("--check is still to come")
