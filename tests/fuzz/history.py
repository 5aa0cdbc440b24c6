"""Journals that were damaged: events lost, doubled, out of order, with bytes that no code wrote."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from eventstore import RecordedEvent
from tests.fuzz.mutation import mutated

AT = datetime(2026, 3, 1, tzinfo=UTC)


def history(chance: random.Random, events: list[tuple[str, bytes]]) -> list[RecordedEvent]:
    """Damage a journal, given as types and data."""
    damaged: list[tuple[str, bytes]] = []
    for type, data in events:
        match chance.randrange(12):
            case 0:
                continue
            case 1:
                damaged += [(type, data)] * 2
            case 2:
                damaged.append((type, mutated([data], chance.getrandbits(48))))
            case 3:
                damaged.append((chance.choice(events)[0], data))
            case 4:
                damaged.append(("Strange", data))
            case 5:
                damaged.insert(chance.randrange(len(damaged) + 1), (type, data))
            case _:
                damaged.append((type, data))
    return [
        RecordedEvent(0, number, "Errand/r", number, 1, type, data, AT)
        for number, (type, data) in enumerate(damaged, 1)
    ]
