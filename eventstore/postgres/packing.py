"""The parameters of the commit statement, packed.

Encoding an array element by element costs the driver 1 µs for a text or a blob and 3 µs for a time, and a commit
has dozens of elements: more than everything else together. So a column travels as one value, which Python builds
and Postgres takes apart in C (measured here: 0.3 to 0.5 µs an element, both sides together, instead of 1 to 3.5):

| column | travels as | taken apart by |
|---|---|---|
| text | the values joined by a separator that none of them holds (parameter 1) | `string_to_array` |
| text, nullable | the same, null as "" and others after a "=" | `string_to_array` with null string, `substr` |
| number, flag | an array literal such as `{1,2,3}`; a flag as 0 or 1 | a cast |
| time | microseconds since 1970, as a number | `perdure.moment` |
| bytes | all of the batch's in one blob (parameter 2); first byte from 1, and length, as numbers | `substring` |

One single empty text looks like no text at all; `unnest` then fills in NULL, which the statement reads as "".
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from eventstore.checksum import checksum
from eventstore.postgres.netting import Netted
from eventstore.records import OutboxMessage, Redelivery

_SEPARATOR = "\x1f"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Parameters = list[str | bytes]


def pack(netted: Netted) -> Parameters:
    """Give the commit statement's parameters, in its order."""
    separator = _SEPARATOR
    while True:
        packing = _Packing(separator)
        parameters = packing.pack(netted)
        if packing.unambiguous:
            return parameters
        separator = _SEPARATOR + secrets.token_hex(8)  # a value holds the usual one


class _Packing:
    """One try to pack a batch with one separator."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._blobs: list[bytes] = []
        self._filled = 0
        self.unambiguous = True

    def pack(self, netted: Netted) -> Parameters:
        slots = {partition: slot for slot, partition in enumerate(sorted(netted.heads), 1)}
        columns = [
            *self._heads(netted),
            *self._bases(netted, slots),
            *self._events(netted, slots),
            *self._inbox(netted, slots),
            *self._outbox(netted, slots),
            *self._timers(netted, slots),
            *self._snapshots(netted, slots),
            *self._executions(netted, slots),
            *self._quarantine(netted, slots),
        ]
        return [self._separator, b"".join(self._blobs), *columns]

    # -- kinds of columns -------------------------------------------------------------------------------

    def _texts(self, values: Sequence[str]) -> str:
        joined = self._separator.join(values)
        if joined.count(self._separator) != len(values) - 1 and values:
            self.unambiguous = False
        return joined

    def _optionals(self, values: Iterable[str | None]) -> str:
        return self._texts(["" if value is None else f"={value}" for value in values])

    def _data(self, values: Sequence[bytes | None]) -> tuple[str, str]:
        """Put values into the blob; gives where each begins and how long it is."""
        begins: list[int | None] = []
        filled = self._filled
        for value in values:
            if value is None:
                begins.append(None)
            else:
                begins.append(filled + 1)
                filled += len(value)
                self._blobs.append(value)
        self._filled = filled
        return _optional_numbers(begins), _numbers([0 if value is None else len(value) for value in values])

    # -- tables -----------------------------------------------------------------------------------------

    def _heads(self, netted: Netted) -> Parameters:
        heads = sorted(netted.heads.items())
        return [
            _numbers([partition for partition, _ in heads]),
            _numbers([epoch for _, (epoch, _) in heads]),
            _numbers([count for _, (_, count) in heads]),
        ]

    def _bases(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        return [
            _numbers([slots[partition] for partition, _ in netted.bases.values()]),
            self._texts(list(netted.bases)),
            _numbers([version for _, version in netted.bases.values()]),
        ]

    def _events(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        commits = [(commit, ordinal) for commit, ordinal in netted.commits if commit.events]
        events = [event for commit, _ in commits for event in commit.events]
        each = [(commit, ordinal, place) for commit, ordinal in commits for place in range(1, len(commit.events) + 1)]
        return [
            _numbers([slots[commit.partition] for commit, _, _ in each]),
            _numbers([ordinal + place for _, ordinal, place in each]),
            self._texts([commit.stream for commit, _, _ in each]),
            _numbers([commit.expected_version + place for commit, _, place in each]),
            self._texts([event.type for event in events]),
            _numbers([event.schema for event in events]),
            *self._data([event.data for event in events]),
            _times([event.recorded_at for event in events]),
            self._optionals([event.causation_id for event in events]),
            self._optionals([event.correlation_id for event in events]),
            self._optionals([event.trace for event in events]),
        ]

    def _inbox(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        each = [(commit, mark) for commit, _ in netted.commits for mark in commit.inbox]
        return [
            _numbers([slots[commit.partition] for commit, _ in each]),
            self._texts([commit.stream for commit, _ in each]),
            self._texts([mark.command_id for _, mark in each]),
            _numbers([mark.digest for _, mark in each]),
            *self._data([mark.reply for _, mark in each]),
        ]

    def _outbox(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        put: list[tuple[int, OutboxMessage]] = []
        changed: list[tuple[int, Redelivery]] = []
        removed: list[tuple[int, str]] = []
        for (partition, name), change in netted.outbox.items():
            if isinstance(change, OutboxMessage):
                put.append((slots[partition], change))
            elif isinstance(change, Redelivery):
                changed.append((slots[partition], change))
            else:
                removed.append((slots[partition], name))
        return [
            _numbers([slot for slot, _ in put]),
            self._texts([message.id for _, message in put]),
            self._texts([message.destination for _, message in put]),
            self._texts([message.routing_key for _, message in put]),
            *self._data([message.body for _, message in put]),
            self._optionals([message.correlation_id for _, message in put]),
            _times([message.due_at for _, message in put]),
            _numbers([slot for slot, _ in changed]),
            self._texts([redelivery.id for _, redelivery in changed]),
            _times([redelivery.due_at for _, redelivery in changed]),
            *self._data([redelivery.body for _, redelivery in changed]),
            _numbers([slot for slot, _ in removed]),
            self._texts([name for _, name in removed]),
        ]

    def _timers(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        columns: Parameters = []
        for wanted in (True, False):
            each = [(slots[partition], t) for (partition, t), is_set in netted.timers.items() if is_set is wanted]
            columns += [
                _numbers([slot for slot, _ in each]),
                _times([timer.due_at for _, timer in each]),
                self._texts([timer.stream for _, timer in each]),
                _numbers([timer.number for _, timer in each]),
            ]
        return columns

    def _snapshots(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        each = [(stream, slots[partition], snapshot) for stream, (partition, snapshot) in netted.snapshots.items()]
        return [
            _numbers([slot for _, slot, _ in each]),
            self._texts([stream for stream, _, _ in each]),
            _numbers([snapshot.version for _, _, snapshot in each]),
            _numbers([snapshot.schema for _, _, snapshot in each]),
            self._texts([snapshot.code for _, _, snapshot in each]),
            *self._data([snapshot.data for _, _, snapshot in each]),
            *self._data([checksum(stream, snapshot) for stream, _, snapshot in each]),
        ]

    def _executions(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        rows = [execution for _, execution in netted.executions.values()]
        return [
            _numbers([slots[partition] for partition, _ in netted.executions.values()]),
            self._texts(list(netted.executions)),
            self._texts([row.status for row in rows]),
            _numbers([int(row.busy) for row in rows]),
            _times([row.started_at for row in rows]),
            _times([row.updated_at for row in rows]),
            _times([row.closed_at for row in rows]),
            self._optionals([row.error for row in rows]),
            self._optionals([row.correlation_id for row in rows]),
        ]

    def _quarantine(self, netted: Netted, slots: dict[int, int]) -> Parameters:
        rows = list(netted.quarantine.values())
        return [
            _numbers([slots[partition] for partition, _ in netted.quarantine]),
            self._texts([row.id for row in rows]),
            self._texts([row.source for row in rows]),
            *self._data([row.body for row in rows]),
            self._texts([row.reason for row in rows]),
            _numbers([row.attempts for row in rows]),
            _times([row.at for row in rows]),
        ]


def _numbers(values: Iterable[int]) -> str:
    return f"{{{','.join(map(str, values))}}}"


def _optional_numbers(values: Iterable[int | None]) -> str:
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def _times(values: Sequence[datetime | None]) -> str:
    return _optional_numbers([None if value is None else _micros(value) for value in values])


def _micros(moment: datetime) -> int:
    since: Any = moment - _EPOCH
    micros: int = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return micros
