"""Which other instance asked for something."""

from __future__ import annotations

from msgspec import Struct

Said = tuple[
    int, float
]  # the last command to another instance: its number, and when it was given, in seconds since the epoch


class Caller(Struct, gc=False, frozen=True):
    """Who started a workflow, or gave a command, from inside another instance: its stream, and the call's number there."""

    stream: str
    number: int

    @property
    def key(self) -> str:
        """The call's idempotency key: the same however often it is made."""
        return f"{self.stream}#{self.number}"
