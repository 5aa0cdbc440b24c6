"""Histories in files and folders: one instance a file, in the format of `actors.history`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from actors.errors import HistoryRefused
from actors.history import SUFFIX, PastEvent, read_history, write_history
from actors.names import split_stream
from eventstore.records import RecordedEvent
from runtime.debugging.instance import Instance


def read_file(path: Path) -> Instance:
    """Read one history.

    Raises:
        HistoryRefused: it is not a whole history.
        OSError: it can't be read.
    """
    with path.open("rb") as lines:
        history = read_history(lines, str(path))
    events = [_recorded(history.stream, event) for event in history.events]
    return Instance(history.stream, events, history.status, file=str(path))


def write_file(path: Path, instance: Instance) -> None:
    """Write one history; the file is there whole, or not at all.

    Raises:
        HistoryRefused: what is to be written is no whole history.
        OSError: it can't be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines(write_history(instance.stream, instance.events, status=instance.status))
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def file_of(folder: Path, stream: str) -> Path:
    """Say where a folder keeps a stream: `Order/10248.jsonl`. Different streams have different files."""
    type_, id_ = split_stream(stream)
    return folder / type_ / f"{id_}{SUFFIX}"


def files_in(places: Sequence[Path]) -> Iterator[Path]:
    """Give files, and those in folders that are named like histories, in order.

    Raises:
        HistoryRefused: a folder has none, or a place does not exist.
    """
    for place in places:
        if place.is_dir():
            found = sorted(place.rglob(f"*{SUFFIX}"))
            if not found:
                raise HistoryRefused(str(place), None, f"the folder holds no *{SUFFIX}: `perdure export` writes them")
            yield from found
        elif place.exists():
            yield place
        else:
            raise HistoryRefused(str(place), None, "there is no such file or folder")


def _recorded(stream: str, event: PastEvent) -> RecordedEvent:
    return RecordedEvent(
        event.partition,
        event.offset,
        stream,
        event.version,
        event.epoch,
        event.type,
        event.data,
        event.recorded_at,
        event.schema,
        event.causation_id,
        event.correlation_id,
        event.trace,
    )
