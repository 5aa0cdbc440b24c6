"""Where a reader of the log is: one offset for each partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from eventstore.errors import StoreError


class Position(Struct, frozen=True):
    """The newest offset seen of each partition; a partition that is not named was not read at all.

    As JSON it is an object of offsets by partition: `{"0": 12, "3": 7}`. Partitions are independent of each other, so
    this is all that a reader has to remember, and two readers at equal positions have seen the same events.
    """

    offsets: Mapping[int, int] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for partition, offset in self.offsets.items():
            if partition < 0 or offset < 0:
                raise ValueError(f"partitions and offsets are 0 or more, not {partition}: {offset}")

    @classmethod
    def at(cls, heads: Sequence[int]) -> Position:
        """Give the position that has seen everything up to these heads (`EventStore.heads`)."""
        return cls(dict(enumerate(heads)))

    @classmethod
    def from_json(cls, data: bytes | str) -> Position:
        """Read what `to_json` wrote.

        Raises:
            StoreError: it is not a position.
        """
        try:
            return cls(msgspec.json.decode(data, type=dict[int, int]))
        except (msgspec.MsgspecError, ValueError) as error:
            raise StoreError(f'{data!r} is no position, which looks like {{"0": 12, "3": 7}}: {error}') from error

    def to_json(self) -> bytes:
        """Give it as JSON."""
        return msgspec.json.encode(dict(sorted(self.offsets.items())))

    def of(self, partition: int) -> int:
        """Give the newest offset seen of a partition, 0 for one that was not read."""
        return self.offsets.get(partition, 0)

    def moved(self, partition: int, offset: int) -> Position:
        """Give the position after reading a partition up to an offset."""
        return Position({**self.offsets, partition: offset})
