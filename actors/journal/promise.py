"""Promises: values that somebody outside gives by name."""

from __future__ import annotations

from msgspec import Raw

from actors.journal.event import ErrorInfo, Fact


class PromiseResolved(Fact):
    """Somebody outside gave a promise its value: the request with the id `by`."""

    name: str
    result: Raw
    by: str

    def title(self) -> str:
        return f"PromiseResolved({self.name})"


class PromiseRejected(Fact):
    """Somebody outside settled a promise with a failure: the request with the id `by`."""

    name: str
    error: ErrorInfo
    by: str

    def title(self) -> str:
        return f"PromiseRejected({self.name}: {self.error.type})"
