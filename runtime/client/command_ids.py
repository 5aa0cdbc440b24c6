"""Command ids that nobody has used before."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import count

_RANDOM_BYTES = 12  # as good as a UUID's 122 bits for telling apart all clients that ever are


def command_ids() -> Callable[[], str]:
    """Make a source of ids: what makes them unique is drawn once, and each call counts on."""
    prefix, numbers = secrets.token_hex(_RANDOM_BYTES), count(1)
    return lambda: f"{prefix}{next(numbers):08x}"
