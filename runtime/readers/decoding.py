"""From an event of the log to one of the user's classes, in today's form."""

from __future__ import annotations

from typing import Any

from actors import App
from actors.codec import decode_any
from actors.definition import ActorType
from actors.errors import UnknownName
from actors.journal import decode_event
from eventstore import RecordedEvent, Selection
from runtime.readers.projection import Projection, Recorded


class Decoding:
    """Chooses and reads the events that a projection wants.

    An actor's events are read with its upcasters: an old form comes in today's, under today's name, and what is retired does
    not come. A workflow's journal comes as it was written.
    """

    def __init__(self, app: App, projection: Projection) -> None:
        self._app = app
        self._strict = bool(projection.actors)  # what the app does not know is an error only where it should
        self._types = tuple(cls.type_name for cls in projection.actors)
        self._events = tuple(event if isinstance(event, str) else event.__name__ for event in projection.events)

    def selection(self) -> Selection:
        """Give what is to be read of the log: events under former names, too."""
        wanted = dict.fromkeys(self._events)
        for type in self._types or tuple(self._app.types):
            kind = self._app.types[type]
            if isinstance(kind, ActorType):
                wanted |= {old: None for old, new in kind.upcasters.renamed.items() if new in self._events}
        return Selection(types=self._types, events=tuple(wanted))

    def recorded(self, event: RecordedEvent) -> Recorded | None:
        """Decode an event; None for one that means nothing any more.

        Raises:
            PayloadRefused: its data is not what its type says.
            UpcastFailed: the upcaster raised.
            UnknownName: the app knows no event of this type, or none of a schema so new.
        """
        type, _, id = event.stream.partition("/")
        kind = self._app.types.get(type)
        name, data = event.type, event.data
        if isinstance(kind, ActorType):
            if name in kind.upcasters.retired:
                return None
            name = kind.upcasters.renamed.get(name, name)
        return Recorded(
            type,
            id,
            event.version,
            name,
            self._actor_data(kind, name, event) if isinstance(kind, ActorType) else self._data(type, name, data),
            event.recorded_at,
            event.partition,
            event.offset,
            event.causation_id,
            event.correlation_id,
        )

    def _actor_data(self, kind: ActorType, name: str, event: RecordedEvent) -> Any:
        if (handler := kind.events.get(name)) is None:
            known = f"; it knows {', '.join(sorted(kind.events)) or 'none'}"
            return self._data(kind.name, name, event.data, known)
        if event.schema > handler.schema:
            raise UnknownName(
                f"{kind.name} knows {name} up to schema {handler.schema}, this one is of {event.schema}: run newer code"
            )
        chain = kind.upcasters.chains.get(name)
        return handler.decode(event.data if chain is None else chain.lift(event.schema, event.data))

    def _data(self, type: str, name: str, data: bytes, known: str = "") -> Any:
        """Read an event of the runtime's own, or one that nobody here knows."""
        if (decoded := decode_event(name, data)) is not None:
            return decoded
        if self._strict:
            raise UnknownName(
                f"{type} has no event {name!r}{known}. Run an app that has it, or let `upcasters` retire it"
            )
        return decode_any(data)
