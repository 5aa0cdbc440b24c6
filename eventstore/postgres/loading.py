"""One load: the rows of its round trips, put together stream by stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from eventstore.checksum import checksum
from eventstore.records import InboxMark, LoadedStream, LoadRequest, RecordedEvent, Snapshot
from eventstore.validation import INT_MAX

_EVENT, _SNAPSHOT = 0, 1


def verified(stream: str, snapshot: Snapshot, stored: bytes) -> Snapshot | None:
    """Give the snapshot if its checksum fits, None if it is damaged."""
    return snapshot if checksum(stream, snapshot) == stored else None


class Loading:
    """Collects what was asked for.

    A request is pending until its events fit its snapshot. When a snapshot is damaged the request is asked
    again with only older ones allowed, which ends at the first event at the latest.
    """

    def __init__(self, requests: Sequence[LoadRequest]) -> None:
        self._requests = requests
        self.loaded = [LoadedStream(request.stream, []) for request in requests]
        self.pending = dict.fromkeys(range(len(requests)), INT_MAX)  # request: newest snapshot version allowed

    def arguments(self) -> list[list[Any]]:
        """Give the parameters of the next `LOAD`."""
        asked = [(n, self._requests[n]) for n in self.pending]
        marks = [(n, request.stream, id) for n, request in asked for id in request.command_ids]
        return [
            list(self.pending),
            [request.stream for _, request in asked],
            [request.after for _, request in asked],
            list(self.pending.values()),
            [n for n, _, _ in marks],
            [stream for _, stream, _ in marks],
            [id for _, _, id in marks],
        ]

    def take(self, rows: Sequence[asyncpg.Record]) -> None:
        """Put the rows of one round trip in their places, and see what must be asked again."""
        damaged: dict[int, int] = {}
        for n in self.pending:
            self.loaded[n] = LoadedStream(self._requests[n].stream, [], damaged=self.loaded[n].damaged)
        for row in rows:
            kind, n, *event, stored = row
            loaded = self.loaded[n]
            if kind == _EVENT:
                loaded.events.append(RecordedEvent(*event))
            elif kind == _SNAPSHOT:
                snapshot = Snapshot(row["version"], row["data"], row["schema"], row["type"])
                loaded.snapshot = verified(loaded.stream, snapshot, stored)
                if loaded.snapshot is None:
                    loaded.damaged.append(snapshot.version)
                    damaged[n] = snapshot.version - 1
            else:
                loaded.inbox[row["type"]] = InboxMark(row["type"], row["offset"], row["data"])
        self.pending = damaged
