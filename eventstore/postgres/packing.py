"""The parameters of the commit, packed: one text for what a batch does to one table.

Encoding an array element by element costs the driver 1 µs for a text or a blob and 3 µs for a time, and a commit
has dozens of elements: more than everything else together. So a column travels as one piece of text, which Python
joins and Postgres takes apart in C, and a table without changes as NULL. `migrations/0005_commit.sql` has the
columns of every part and how each kind of column is written; 0009 adds two, and 0010 the last.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import msgspec

from eventstore.checksum import checksum
from eventstore.postgres.netting import Netted
from eventstore.records import OutboxMessage, Redelivery

_ITEM_END, _COLUMN_END = "\x1f", "\x1e"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Parameters = list[str | bytes | None]


def pack(netted: Netted) -> Parameters:
    """Give the parameters of `COMMIT`, in its order; one more, for `COMMIT_LEAVING`, if forgotten streams leave something."""
    mark = ""
    while True:
        packing = _Packing(_ITEM_END + mark, _COLUMN_END + mark)
        parameters = packing.pack(netted)
        if packing.unambiguous:
            return parameters
        mark = secrets.token_hex(8)  # a value holds the usual ends


class _Packing:
    """One try to pack a batch with one choice of ends."""

    def __init__(self, item_end: str, column_end: str) -> None:
        self._item_end, self._column_end = item_end, column_end
        self._blobs: list[bytes] = []
        self._filled = 0
        self.unambiguous = True

    def pack(self, netted: Netted) -> Parameters:
        slots = {partition: slot for slot, partition in enumerate(sorted(netted.heads), 1)}
        parts = [
            self._heads(netted),
            self._streams(netted),
            self._events(netted, slots),
            self._inbox(netted),
            *self._outbox(netted),
            *self._timers(netted),
            self._snapshots(netted),
            self._executions(netted),
            self._quarantine(netted),
            self._attributes(netted),
            self._texts(netted.forgotten) if netted.forgotten else None,
        ]
        if netted.forgotten and (left_behind := self._events(netted, slots, left_behind=True)) is not None:
            parts.append(left_behind)
        return [self._item_end, self._column_end, b"".join(self._blobs), *parts]

    # -- kinds of columns -------------------------------------------------------------------------------

    def _part(self, *columns: str) -> str:
        part = self._column_end.join(columns)
        if part.count(self._column_end) != len(columns) - 1:
            self.unambiguous = False
        return part

    def _texts(self, values: Sequence[str]) -> str:
        joined = self._item_end.join(values)
        if joined.count(self._item_end) != len(values) - 1:
            self.unambiguous = False
        return joined

    def _optionals(self, values: Sequence[str | None]) -> str:
        if values.count(None) == len(values):
            return ""
        return self._texts(["" if value is None else f"={value}" for value in values])

    def _data(self, values: Sequence[bytes]) -> tuple[str, str]:
        """Put values into the blob; gives where each begins and how long it is."""
        lengths = list(map(len, values))
        *begins, end = accumulate(lengths, initial=self._filled)
        self._filled = end
        self._blobs.extend(values)
        return _numbers([begin + 1 for begin in begins]), _numbers(lengths)

    # -- tables -----------------------------------------------------------------------------------------

    def _heads(self, netted: Netted) -> str:
        heads = sorted(netted.heads.items())
        return self._part(
            _numbers([partition for partition, _ in heads]),
            _numbers([epoch for _, (epoch, _) in heads]),
            _numbers([count for _, (_, count) in heads]),
        )

    def _streams(self, netted: Netted) -> str | None:
        if not netted.bases:
            return None
        return self._part(self._texts(list(netted.bases)), _numbers(list(netted.bases.values())))

    def _events(self, netted: Netted, slots: dict[int, int], *, left_behind: bool = False) -> str | None:
        rows = [
            (
                slots[commit.partition],
                ordinal + place,
                commit.stream,
                place if left_behind else commit.expected_version + place,
                event,
            )
            for commit, ordinal in netted.commits
            if commit.forget is left_behind
            for place, event in enumerate(commit.events, 1)
        ]
        if not rows:
            return None
        slot_of, ordinals, streams, versions, events = zip(*rows, strict=True)
        return self._part(
            _numbers(list(slot_of)),
            _numbers(list(ordinals)),
            self._texts(streams),
            _numbers(list(versions)),
            self._texts([event.type for event in events]),
            _numbers([event.schema for event in events]),
            *self._data([event.data for event in events]),
            _times([event.recorded_at for event in events]),
            self._optionals([event.causation_id for event in events]),
            self._optionals([event.correlation_id for event in events]),
            self._optionals([event.trace for event in events]),
        )

    def _inbox(self, netted: Netted) -> str | None:
        each = [(commit.stream, mark) for commit, _ in netted.commits if commit.inbox for mark in commit.inbox]
        if not each:
            return None
        return self._part(
            self._texts([stream for stream, _ in each]),
            self._texts([mark.command_id for _, mark in each]),
            _numbers([mark.digest for _, mark in each]),
            *self._data([mark.reply for _, mark in each]),
        )

    def _outbox(self, netted: Netted) -> list[str | None]:
        put: list[tuple[int, OutboxMessage]] = []
        changed: list[tuple[int, Redelivery]] = []
        removed: list[tuple[int, str]] = []
        for (partition, name), change in netted.outbox.items():
            if isinstance(change, OutboxMessage):
                put.append((partition, change))
            elif isinstance(change, Redelivery):
                changed.append((partition, change))
            else:
                removed.append((partition, name))
        return [self._put(put), self._changed(changed), self._removed(removed)]

    def _put(self, each: list[tuple[int, OutboxMessage]]) -> str | None:
        if not each:
            return None
        return self._part(
            _numbers([partition for partition, _ in each]),
            self._texts([message.id for _, message in each]),
            self._texts([message.destination for _, message in each]),
            self._texts([message.routing_key for _, message in each]),
            *self._data([message.body for _, message in each]),
            self._optionals([message.correlation_id for _, message in each]),
            _times([message.due_at for _, message in each]),
        )

    def _changed(self, each: list[tuple[int, Redelivery]]) -> str | None:
        if not each:
            return None
        begins, lengths = self._data([change.body or b"" for _, change in each])
        kept = [change.body is None for _, change in each]
        if any(kept):  # a body that stays as it is has no place in the blob
            places = begins[1:-1].split(",")
            begins = f"{{{','.join(['NULL' if keep else place for keep, place in zip(kept, places, strict=True)])}}}"
        return self._part(
            _numbers([partition for partition, _ in each]),
            self._texts([change.id for _, change in each]),
            _times([change.due_at for _, change in each]),
            begins,
            lengths,
        )

    def _removed(self, each: list[tuple[int, str]]) -> str | None:
        if not each:
            return None
        return self._part(_numbers([partition for partition, _ in each]), self._texts([name for _, name in each]))

    def _timers(self, netted: Netted) -> list[str | None]:
        parts: list[str | None] = []
        for wanted in (True, False):
            each = [key for key, is_set in netted.timers.items() if is_set is wanted]
            if not each:
                parts.append(None)
                continue
            parts.append(
                self._part(
                    _numbers([partition for partition, _ in each]),
                    _times([timer.due_at for _, timer in each]),
                    self._texts([timer.stream for _, timer in each]),
                    _numbers([timer.number for _, timer in each]),
                )
            )
        return parts

    def _snapshots(self, netted: Netted) -> str | None:
        if not netted.snapshots:
            return None
        snapshots = list(netted.snapshots.values())
        return self._part(
            self._texts(list(netted.snapshots)),
            _numbers([snapshot.version for snapshot in snapshots]),
            _numbers([snapshot.schema for snapshot in snapshots]),
            self._texts([snapshot.code for snapshot in snapshots]),
            *self._data([snapshot.data for snapshot in snapshots]),
            *self._data([checksum(stream, snapshot) for stream, snapshot in netted.snapshots.items()]),
        )

    def _executions(self, netted: Netted) -> str | None:
        if not netted.executions:
            return None
        places, rows, known = zip(*netted.executions.values(), strict=True)
        return self._part(
            _numbers([int(was_there) for was_there in known]),
            _numbers(list(places)),
            self._texts(list(netted.executions)),
            self._texts([row.status for row in rows]),
            _numbers([int(row.busy) for row in rows]),
            _times([row.started_at for row in rows]),
            _times([row.updated_at for row in rows]),
            _times([row.closed_at for row in rows]),
            self._optionals([row.error for row in rows]),
            self._optionals([row.correlation_id for row in rows]),
        )

    def _attributes(self, netted: Netted) -> str | None:
        each = [
            (stream, row.attributes) for stream, (_, row, _) in netted.executions.items() if row.attributes is not None
        ]
        if not each:
            return None
        return self._part(
            self._texts([stream for stream, _ in each]),
            self._texts([msgspec.json.encode(attributes).decode() for _, attributes in each]),
        )

    def _quarantine(self, netted: Netted) -> str | None:
        if not netted.quarantine:
            return None
        rows = list(netted.quarantine.values())
        return self._part(
            _numbers([partition for partition, _ in netted.quarantine]),
            self._texts([row.id for row in rows]),
            self._texts([row.source for row in rows]),
            *self._data([row.body for row in rows]),
            self._texts([row.reason for row in rows]),
            _numbers([row.attempts for row in rows]),
            _times([row.at for row in rows]),
        )


def _numbers(values: list[int]) -> str:
    return f"{{{str(values)[1:-1]}}}"


def _times(values: Sequence[datetime | None]) -> str:
    texts = []
    last, text = None, "NULL"
    for value in values:
        if value is not last:  # the events of a turn share one object
            last, text = value, "NULL" if value is None else str((value - _EPOCH) // _MICROSECOND)
        texts.append(text)
    return f"{{{','.join(texts)}}}"
