"""The snapshots of one actor in memory: which one to begin with, and when to take the next.

Whatever is doubtful about a snapshot is decided against it: the stream is read again from an older one or from its
first event, which is the truth. A new one travels in a commit of the actor's own, so that whoever has lost the
partition can't leave one behind.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from actors import SnapshotRefused
from actors.definition import ActorType
from actors.entity import Entity
from actors.turn import NewRecord
from eventstore import LoadedStream, NewEvent, RecordedEvent, Snapshot

log = structlog.get_logger("perdure.actor")


class ActorSnapshots:
    """See the module's docstring. Counts what was folded since the last snapshot."""

    def __init__(self, kind: ActorType) -> None:
        self._policy, self._format = kind.snapshots, kind.snapshot_format
        self._events = self._bytes = 0  # since the last one
        self._size = 0  # of the last one

    def begin(self, entity: Entity, loaded: LoadedStream) -> None:
        """Put an empty entity where its snapshot was taken, if there is one; raises `SnapshotRefused`."""
        if (snapshot := loaded.snapshot) is None:
            return
        if self._policy is None:
            raise SnapshotRefused("the actor class has `snapshots = None`")
        data = self._format.in_todays_form(snapshot.schema, snapshot.code, snapshot.data)
        if loaded.events and loaded.events[0].version != snapshot.version + 1:
            raise SnapshotRefused(f"the log goes on from version {loaded.events[0].version}")
        entity.restore(snapshot.version, data)
        self._size = len(snapshot.data)

    def count(self, events: Sequence[RecordedEvent] | Sequence[NewRecord] | Sequence[NewEvent]) -> None:
        """Hear of events that were folded."""
        self._events += len(events)
        for event in events:
            self._bytes += len(event.data)

    def take(self, entity: Entity) -> Snapshot | None:
        """Give a snapshot of the entity as it is now, when one is due. One that is refused is due again as much later."""
        if self._policy is None or not self._policy.due(self._events, self._bytes, self._size) or not entity.at_rest:
            return None
        self._events = self._bytes = 0
        try:
            data = entity.snapshot()
        except SnapshotRefused as refused:
            log.warning("no snapshot", actor=entity.stream, version=entity.version, reason=str(refused))
            return None
        self._size = len(data)
        return Snapshot(entity.version, data, self._format.schema, self._format.code)
