"""Snapshots: an actor's state at a version, so that an activation need not fold its stream from the first event.

Only ever an optimisation: what can't be kept or read back exactly as it was is not used, and the events are folded.
Exactly means that a state made from a snapshot can't be told from one made by folding: every value is of the same
type, and what is one object is not two. That is looked at for each snapshot before it is handed out, because
annotations do not promise it (`float` holding 0, `Any`, an attribute beside `state`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from actors.codec import decode_any, decoder, encode
from actors.errors import DefinitionError, PayloadRefused, SnapshotRefused
from actors.failures import describe
from actors.journal import Said
from actors.round_trip import Comparison, attributes

SCHEMA_MAX = 2**15 - 1


class Snapshots(Struct, frozen=True, kw_only=True):
    """When snapshots of one actor class are taken: `snapshots = Snapshots(every_events=100)` in its body.

    One is due when either number is reached, counted since the last one; but not while the events since then have
    less than `least_share` of its size, which bounds what snapshots write to so many times what events write.

    Args:
        every_events: 1 or more.
        every_bytes: of the events' data; 1 or more.
        least_share: 0 or more; 0.25 lets snapshots write four times as much as events.
        schema: 0 to 32767. Raise it when what the fold gives has changed in a way that the fingerprint of its code
            can't see: data from a file, a C extension, an attribute that is looked up by a computed name.

    Raises:
        DefinitionError: a number is out of its range.
    """

    every_events: int = 250
    every_bytes: int = 256 * 1024
    least_share: float = 0.25
    schema: int = 1

    def __post_init__(self) -> None:
        if self.every_events < 1 or self.every_bytes < 1 or not self.least_share >= 0:
            raise DefinitionError(
                f"{self}: expected every_events and every_bytes of 1 or more, and a least_share of 0 or more; "
                "`snapshots = None` takes none at all"
            )
        if not 0 <= self.schema <= SCHEMA_MAX:
            raise DefinitionError(f"{self}: schema must be from 0 to {SCHEMA_MAX}")

    def due(self, events: int, bytes: int, size: int) -> bool:
        """Say whether one is due, by the events and their bytes since the last one, and that one's own size."""
        return (events >= self.every_events or bytes >= self.every_bytes) and bytes >= self.least_share * size


class Numbering(Struct, omit_defaults=True):
    """What an actor has numbered: no part of its state, but kept with it, as the events before a snapshot are not read.

    `asked` is the highest number that its commands have used, where that is above the snapshot's version. `said` are the last
    commands that it gave others.
    """

    asked: int = 0
    said: dict[str, Said] = {}

    def before(self, state: bytes) -> bytes:
        """Put it before a state; nothing when there is nothing to say. JSON of our own never begins with a line's end."""
        return b"\n%b\n%b" % (encode(self), state) if self.asked or self.said else state


def apart(data: bytes) -> tuple[Numbering, bytes]:
    """Take a snapshot's data apart: what was numbered, and the state; raises `SnapshotRefused`."""
    if not data.startswith(b"\n"):
        return Numbering(), data
    head, _, state = data[1:].partition(b"\n")
    try:
        return _numbering(head), state
    except PayloadRefused as error:
        raise SnapshotRefused(f"it can't be decoded: {error}") from error


_numbering: Callable[[bytes], Numbering] = decoder(Numbering)


class SnapshotFormat:
    """How the state of one actor class is kept.

    `schema` and `code` name it: a snapshot that has others was made by code that may fold to another state.
    """

    def __init__(
        self,
        state_type: type,
        schema: int,
        code: str,
        objection: str | None,
        upcasters: Mapping[int, Callable[[Any], Any]] | None = None,
    ) -> None:
        """Prepare; `objection` says why no state of this type can be kept, None if it can.

        `upcasters` turn a state of the schema that is their key into the next one, and lead up to `schema`.
        """
        self.schema, self.code, self.objection = schema, code, objection
        self._upcasters = upcasters or {}
        self._decode: Callable[[bytes], Any] | None = None if objection is not None else decoder(state_type)

    def encode(self, actor: Any, create: Callable[[], object]) -> bytes:
        """Give an actor's state as JSON.

        Args:
            actor: the actor.
            create: makes a new one: attributes beside `state` must be as they are there, for they are not kept.

        Raises:
            SnapshotRefused: it would not be read back as it is; names the place, but no value.
        """
        if self.objection is not None:
            raise SnapshotRefused(self.objection)
        comparison = Comparison()
        try:
            data = encode(actor.state)
            difference = comparison.difference(actor.state, self.decode(data), "state")
            difference = difference or _beside_difference(comparison, actor, create)
        except (SnapshotRefused, PayloadRefused) as error:
            raise SnapshotRefused(f"the state can't be kept: {error}") from error
        except Exception as error:  # the user's own __eq__, __post_init__ or model_dump
            raise SnapshotRefused(f"the state can't be kept: {describe(error)}") from error
        if difference is not None:
            raise SnapshotRefused(f"the state would not be read back as it is: {difference}")
        return data

    def in_todays_form(self, schema: int, code: str, data: bytes) -> bytes:
        """Give a snapshot's data as today's code would have it; raises `SnapshotRefused`, if that can't be known.

        Who wrote an upcaster vouches for what the code of before has folded; without one, only this very code counts.
        """
        if (schema, code) == (self.schema, self.code):
            return data
        if schema not in self._upcasters:
            raise SnapshotRefused(
                f"schema {schema} of code {code or 'unknown'} made it; this is schema {self.schema} of code {self.code}"
            )
        numbering, state = apart(data)
        try:
            value = decode_any(state)
            for number in range(schema, self.schema):
                value = self._upcasters[number](value)
            return numbering.before(encode(value))
        except Exception as error:  # the user's own upcaster
            raise SnapshotRefused(f"an upcaster of the state raised {describe(error)}") from error

    def decode(self, data: bytes) -> Any:
        """Read a state; raises `SnapshotRefused`."""
        if self._decode is None:
            raise SnapshotRefused(str(self.objection))
        try:
            return self._decode(data)
        except Exception as error:  # the user's own __post_init__ or validators
            raise SnapshotRefused(f"it can't be decoded: {describe(error)}") from error


def _beside_difference(comparison: Comparison, actor: object, create: Callable[[], object]) -> str | None:
    if not (beside := _beside_state(actor)):
        return None
    fresh = _beside_state(create())
    if beside.keys() != fresh.keys():
        return "the actor has attributes beside its state that __init__ does not set"
    found = (comparison.difference(beside[name], fresh[name], f"self.{name}") for name in beside)
    return next((difference for difference in found if difference), None)


def _beside_state(instance: object) -> dict[str, object]:
    return {name: value for name, value in attributes(instance).items() if name not in {"state", "_perdure"}}
