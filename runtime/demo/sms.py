"""An SMS gateway that behaves like a rate-limited service: now and then it asks to come again later."""

from __future__ import annotations

from zlib import crc32

REFUSED_PERCENT = 15


class RateLimited(Exception):
    """The gateway takes nothing now. Not a declared failure, so the task is tried again."""


def admit(key: str, attempt: int) -> None:
    """Let an attempt through or turn it away; which one is a function of its key and number, so that a run repeats.

    Raises:
        RateLimited: come again later.
    """
    if crc32(f"{key}/{attempt}".encode()) % 100 < REFUSED_PERCENT:
        raise RateLimited(f"429 Too Many Requests (attempt {attempt})")
