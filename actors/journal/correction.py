"""What somebody did by hand."""

from __future__ import annotations

from msgspec import Struct


class Correction(Struct, gc=False, omit_defaults=True, frozen=True):
    """Who did it, why, and the id of the request."""

    id: str
    reason: str = ""
    by: str = ""
