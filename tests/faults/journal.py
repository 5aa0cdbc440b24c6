"""What a process saw, as lines that are only ever appended: one write a line, so that a kill can't take back what was said."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Saw(StrEnum):
    """What happened, from the side of who writes."""

    SENT = "sent"  # a command leaves for the first time
    ACCEPTED = "accepted"  # the broker confirmed it
    ANSWERED = "answered"  # its handler's answer came
    REFUSED = "refused"  # the handler's declared failure came
    UNKNOWN = "unknown"  # no answer in time, or cancelled: to be sent again with the same id
    CANCELLED = "cancelled"  # the call was cancelled in the middle
    ODD = "odd"  # an answer that nothing explains
    READ = "read"  # `note` is [what an own write was acknowledged with, what a later query gave]
    ENDED = "ended"  # a workflow's result came; `note` is [seconds since its start was sent, least seconds it waits]
    POISON = "poison"  # a message that can't be handled was accepted
    OUTCOME = "outcome"  # the broker confirmed a worker's success; `id` is the task's key, `note` its result
    EVENT = "event"  # a reader of a partition was given an event; `note` is [partition, offset, version]


class Entry(Struct, omit_defaults=True):
    """A line. `at` is the machine's monotonic clock, the same for all processes."""

    at: float
    saw: Saw
    id: str = ""
    stream: str = ""
    name: str = ""
    note: Any = None


_decode = msgspec.json.Decoder(Entry).decode
_encode = msgspec.json.Encoder().encode


class Journal:
    """Appends to one file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, saw: Saw, id: str = "", stream: str = "", name: str = "", note: Any = None) -> None:
        """Append a line."""
        os.write(self._file, _encode(Entry(time.monotonic(), saw, id, stream, name, note)) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Tail:
    """Reads a journal while it grows; a line that is not whole yet waits for the next look."""

    def __init__(self, path: Path) -> None:
        self._path, self._offset = path, 0

    def new(self) -> Iterator[Entry]:
        """Give the entries since the last look."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield _decode(line)


def read_journal(path: Path) -> list[Entry]:
    """Read all of a journal; an unfinished last line, of a killed writer, is left out."""
    return list(Tail(path).new())
