"""What every event of the journal is: a fact or a decision; and the form of errors in them."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import UNSET, Raw, Struct, UnsetType

from actors.codec import decode_any


class ErrorInfo(Struct, gc=False, omit_defaults=True, frozen=True):
    """An error as it travels: its type's name, a message for people, details for programs, a traceback."""

    type: str
    message: str
    details: Raw | UnsetType = UNSET  # unset, not None: null is a value of its own
    trace: str | None = None

    def details_value(self) -> Any:
        """Give the details as builtin values, None when there are none."""
        return decode_any(self.details) if isinstance(self.details, Raw) else None


class JournalEvent(Struct, gc=False, omit_defaults=True):
    """Base of journal events. The class name is the event's type in the log."""

    is_fact: ClassVar[bool] = False

    def title(self) -> str:
        """Name the event and what it is about, for messages and listings."""
        return type(self).__name__


class Fact(JournalEvent):
    """Came from outside; is fed to the code."""

    is_fact: ClassVar[bool] = True
