"""Which other instance asked for something."""

from __future__ import annotations

from msgspec import Struct


class Caller(Struct, gc=False, frozen=True):
    """Who started a workflow, or gave a command, from inside another instance: its stream, and the call's number there."""

    stream: str
    number: int

    @property
    def key(self) -> str:
        """The call's idempotency key: the same however often it is made."""
        return f"{self.stream}#{self.number}"
