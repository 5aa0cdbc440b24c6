"""What of a log must be the same, however it came about: streams, types and data, without times and made-up ids."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tests.simulation.world import World

Likeness = dict[str, list[tuple[str, Any]]]

_MADE = re.compile(r"\b(id-\d+|[0-9a-f]{32})\b")  # by a world's `new_id`, or a client's own


def likeness(world: World) -> Likeness:
    """Give all streams of a world in a form that two runs of a story have in common."""
    return {
        name: normal([(event.type, msgspec.json.decode(event.data)) for event in stream.events])
        for name, stream in sorted(world.store.log.streams.items())
        if stream.events
    }


def normal(events: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Give a stream's types and data without what differs from run to run."""
    return [(type, _normal(data)) for type, data in events]


def _normal(data: Any) -> Any:
    match data:
        case dict():
            return {key: _normal(value) for key, value in data.items()}
        case list():
            return [_normal(value) for value in data]
        case str():
            return _MADE.sub("id", data)
        case float() if data > 1_000_000_000:
            return "time"
        case _:
            return data
