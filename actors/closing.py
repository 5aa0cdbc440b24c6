"""How a suspended coroutine is ended without being run further."""

from __future__ import annotations

from typing import Any

_MAX_CLOSES = 10_000  # every coroutine that is awaited, and every await in its clean-up, takes one


def close(coroutine: Any) -> None:
    """Close a coroutine and all that it awaits, the innermost first.

    Closing from the outside would leave an inner one that awaits in its clean-up to the garbage collector, which
    would run the rest of it outside of this loop.
    """
    for _ in range(_MAX_CLOSES):
        innermost = coroutine
        while _is_suspended(
            awaited := getattr(innermost, "cr_await", None) or getattr(innermost, "gi_yieldfrom", None)
        ):
            innermost = awaited
        try:
            innermost.close()
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001, S110 - the user's clean-up code; it raised, or it awaits something
            pass
        if not _is_suspended(coroutine):
            return


def _is_suspended(part: Any) -> bool:
    return (getattr(part, "cr_frame", None) or getattr(part, "gi_frame", None)) is not None
