"""From an event of the log to one of the user's classes."""

from __future__ import annotations

from typing import Any

from actors import App
from actors.codec import decode_any
from actors.definition import ActorType
from actors.errors import UnknownName
from actors.journal import decode_event
from eventstore import RecordedEvent
from runtime.readers.projection import Recorded


class Decoding:
    """Reads the events of an app's actors.

    Args:
        strict: an event that the app does not know is an error; else it comes as builtins.
    """

    def __init__(self, app: App, *, strict: bool) -> None:
        self._app = app
        self._strict = strict

    def recorded(self, event: RecordedEvent) -> Recorded:
        """Decode an event.

        Raises:
            PayloadRefused: its data is not what its type says.
            UnknownName: the app knows no event of this type.
        """
        type, _, id = event.stream.partition("/")
        return Recorded(
            type,
            id,
            event.version,
            event.type,
            self._data(type, event),
            event.recorded_at,
            event.partition,
            event.offset,
            event.causation_id,
            event.correlation_id,
        )

    def _data(self, type: str, event: RecordedEvent) -> Any:
        kind = self._app.types.get(type)
        if isinstance(kind, ActorType):
            if (handler := kind.events.get(event.type)) is not None:
                return handler.decode(event.data)
        elif kind is not None and (decoded := decode_event(event.type, event.data)) is not None:
            return decoded
        if self._strict:
            known = "" if not isinstance(kind, ActorType) else f"; it knows {', '.join(sorted(kind.events)) or 'none'}"
            raise UnknownName(f"{type} has no event {event.type!r}{known}")
        return decode_any(event.data)
