"""What the streams of a store hold, and held before instances were deleted, read once: events with their data, and a workflow's runs one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from actors.retrying import undone
from eventstore import MemoryStore, RecordedEvent

ENDS = frozenset({"RunCompleted", "RunFailed", "RunCancelled", "RunTerminated", "RunTimedOut"})


class Entry(Struct, gc=False):
    """One event."""

    version: int
    type: str
    data: Any
    at: float  # seconds since 1970
    cause: str


class Run(Struct, gc=False):
    """A workflow's run: its events, the first of which begins it, and what ended it, if anything did."""

    entries: list[Entry]
    end: Entry | None = None


class Journals:
    """See the module's docstring."""

    def __init__(self, store: MemoryStore, deleted: Mapping[str, list[list[RecordedEvent]]] | None = None) -> None:
        self.streams = store.log.streams
        former = deleted or {}
        self.entries: dict[str, list[Entry]] = {
            name: _entries([*former.get(name, ()), stream.events])
            for name, stream in self.streams.items()
            if stream.events
        }

    def of(self, type: str) -> dict[str, list[Entry]]:
        """Give the streams of one type."""
        return {name: entries for name, entries in self.entries.items() if name.startswith(f"{type}/")}

    def is_workflow(self, name: str) -> bool:
        """Whether it is a workflow that was started."""
        return name in self.entries and self.entries[name][0].type == "RunStarted"

    def runs(self, name: str) -> list[Run]:
        """Split a workflow's stream into its runs."""
        runs: list[Run] = []
        for entry in self.entries[name]:
            if entry.type == "RunContinued":
                runs[-1].end = entry
            if entry.type in {"RunStarted", "RunContinued"}:
                runs.append(Run([]))
            runs[-1].entries.append(entry)
            if entry.type in ENDS:
                runs[-1].end = entry
        return runs

    def lives(self, name: str) -> list[list[Run]]:
        """Split a workflow's runs by its starts: it may be started again when it has ended."""
        lives: list[list[Run]] = []
        for run in self.runs(name):
            if run.entries[0].type == "RunStarted":
                lives.append([])
            lives[-1].append(run)
        return lives

    def end(self, name: str) -> Entry | None:
        """Give what ended a workflow for good; None while it runs."""
        return self.runs(name)[-1].end if self.is_workflow(name) else None


def _entries(histories: list[list[RecordedEvent]]) -> list[Entry]:
    """Give the events of all instances that a name had, one after the other."""
    entries: list[Entry] = []
    before = 0
    for history in histories:
        taken_back = undone(history)
        for e in history:
            if e.version not in taken_back and e.type != "InstanceDeleted":
                data, at = msgspec.json.decode(e.data), e.recorded_at.timestamp()
                entries.append(Entry(before + e.version, e.type, data, at, e.causation_id or ""))
        before += len(history)
    return entries


def found(entries: list[Entry], type: str, **fields: Any) -> list[Entry]:
    """Find events of a type whose data has these fields."""
    return [e for e in entries if e.type == type and all(e.data.get(name) == value for name, value in fields.items())]
