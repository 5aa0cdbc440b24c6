"""What the code noted of itself: values, patches, search attributes."""

from __future__ import annotations

from msgspec import Raw

from actors.attributes import Attribute
from actors.journal.event import JournalEvent


class ValueRecorded(JournalEvent):
    """The code had a value worked out that no replay could repeat; it is given this one for ever."""

    number: int  # in the numbering of tasks, timers and children
    value: Raw

    def title(self) -> str:
        return f"ValueRecorded(#{self.number})"


class Patched(JournalEvent):
    """The code asked for a patch for the first time, and takes the new way from here on."""

    name: str

    def title(self) -> str:
        return f"Patched({self.name})"


class AttributesSet(JournalEvent):
    """The code set search attributes; null takes one away."""

    values: dict[str, Attribute | None]

    def title(self) -> str:
        return f"AttributesSet({', '.join(self.values)})"
