"""Child workflows: wanted, not wanted any more, ended."""

from __future__ import annotations

from typing import Literal

from msgspec import Raw, Struct

from actors.journal.correction import Correction
from actors.journal.event import ErrorInfo, Fact, JournalEvent

OnClose = Literal["abandon", "cancel", "terminate"]


class Stop(Struct, gc=False, omit_defaults=True, frozen=True):
    """How a child is to end that its parent does not want any more; with `tree` its own children as well."""

    how: Literal["cancel", "terminate"]
    reason: str = ""
    tree: bool = False


class ChildStarted(JournalEvent):
    """The code wants another workflow to run, `type/id`, and its result.

    `on_close` says what becomes of it when this run ends first; journals of before know only children that go on.
    `timeout`: seconds after its start when the child is ended, in place of its class's.
    """

    child: int
    type: str
    id: str
    input: Raw
    on_close: OnClose = "abandon"
    timeout: float | None = None

    @property
    def stream(self) -> str:
        """The child's stream."""
        return f"{self.type}/{self.id}"

    def title(self) -> str:
        return f"ChildStarted(#{self.child} {self.stream})"


class ChildCancelRequested(JournalEvent):
    """The code asks a child to cancel, or has stopped waiting for it; `how` says whether it ends it at once instead."""

    child: int
    reason: str = ""
    how: Literal["cancel", "terminate"] = "cancel"

    def title(self) -> str:
        return f"ChildCancelRequested(#{self.child}{'' if self.how == 'cancel' else f', {self.how}'})"


class ChildCompleted(Fact):
    """A child workflow's run returned."""

    child: int
    result: Raw
    correction: Correction | None = None  # of one that somebody settled by hand

    def title(self) -> str:
        return f"ChildCompleted(#{self.child})"


class ChildFailed(Fact):
    """A child workflow's run failed, or its id belongs to an instance that somebody else started.

    `ended` is "cancelled" or "terminated" where that was the child's end.
    """

    child: int
    error: ErrorInfo
    ended: str | None = None
    correction: Correction | None = None  # as above

    def title(self) -> str:
        return f"ChildFailed(#{self.child}: {self.error.type})"
