from __future__ import annotations

from msgspec import Struct

from eventstore.records import Execution, RecordedEvent


class Instance(Struct, frozen=True):
    """A stream that is looked at: its events from version 1 on, at least one, out of a store or a file.

    `execution` is its row of the listing, which a file does not have; `file` is None for a store's.
    """

    stream: str
    events: list[RecordedEvent]
    status: str | None = None
    execution: Execution | None = None
    file: str | None = None

    @property
    def name(self) -> str:
        """How to speak of it: its stream, and the file if it comes out of one."""
        return self.stream if self.file is None else f"{self.stream} ({self.file})"

    @property
    def newest(self) -> int:
        """The newest version."""
        return self.events[-1].version
