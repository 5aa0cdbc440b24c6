"""What a projection gets of events in old forms, of old names, and of the runtime's own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from actors import Actor, App, Renamed, Retired, Upcast, Workflow, event
from actors.errors import PayloadRefused, UnknownName, UpcastFailed
from actors.journal import RunCompleted
from eventstore import RecordedEvent, Selection
from runtime import Projection
from runtime.readers.decoding import Decoding


class Added(Struct):
    grams: int


class Level(Struct):
    grams: int = 0


def in_grams(old: Any) -> Any:
    return {"grams": old["kilos"] * 1000}


class Shelf(Actor):
    state: Level
    upcasters = (Upcast(Added, 1, in_grams), Renamed("Put", Added), Retired("Dusted"))

    @event
    def added(self, added: Added) -> None:
        self.state.grams += added.grams


class Order(Workflow):
    async def run(self) -> None: ...


class OfShelves(Projection):
    actors = (Shelf,)
    events = (Added,)


class OfAll(Projection):
    events = (Added, "RunCompleted")


APP = App(actors=[Shelf, Order])


def recorded(type: str, data: bytes, schema: int = 1, stream: str = "Shelf/a") -> RecordedEvent:
    return RecordedEvent(0, 1, stream, 1, 1, type, data, datetime(2026, 3, 1, tzinfo=UTC), schema)


def test_former_names_are_read_too() -> None:
    """A projection names events as they are called today."""
    assert Decoding(APP, OfShelves()).selection() == Selection(types=("Shelf",), events=("Added", "Put"))
    assert Decoding(APP, OfAll()).selection() == Selection(events=("Added", "RunCompleted", "Put"))


@pytest.mark.parametrize(
    ("type", "data", "schema"),
    [("Added", b'{"kilos":2}', 1), ("Put", b'{"kilos":2}', 1), ("Added", b'{"grams":2000}', 2)],
)
def test_old_forms_come_in_todays(type: str, data: bytes, schema: int) -> None:
    """By the actor's upcasters, under today's name."""
    read = Decoding(APP, OfShelves()).recorded(recorded(type, data, schema))
    assert read is not None
    assert (read.event, read.data) == ("Added", Added(2000))


def test_retired_events_do_not_come() -> None:
    """They mean nothing any more."""
    assert Decoding(APP, OfShelves()).recorded(recorded("Dusted", b"{}")) is None


def test_the_runtimes_own_events() -> None:
    """A workflow's journal, and what stands beside an actor's own events, come as `actors.journal` has them."""
    for stream in ("Order/1", "Shelf/a"):
        read = Decoding(APP, OfAll()).recorded(recorded("RunCompleted", b'{"result":3}', stream=stream))
        assert read is not None
        assert isinstance(read.data, RunCompleted)


def test_what_nobody_knows_is_refused_or_plain() -> None:
    """Refused where actors are named, else given as builtins; never passed over."""
    with pytest.raises(UnknownName, match="Shelf has no event 'Vanished'; it knows Added"):
        Decoding(APP, OfShelves()).recorded(recorded("Vanished", b"{}"))
    with pytest.raises(UnknownName, match="Shelf knows Added up to schema 2, this one is of 3"):
        Decoding(APP, OfShelves()).recorded(recorded("Added", b"{}", 3))
    with pytest.raises(UpcastFailed, match="KeyError"):
        Decoding(APP, OfShelves()).recorded(recorded("Added", b"{}"))
    with pytest.raises(PayloadRefused):
        Decoding(APP, OfShelves()).recorded(recorded("Added", b'{"grams":"x"}', 2))
    read = Decoding(APP, OfAll()).recorded(recorded("Vanished", b'{"a":[1]}', stream="Elsewhere/1"))
    assert read is not None
    assert read.data == {"a": [1]}
