"""Whether what travels comes back the same: every message, argument, result, event and state, by type and by content.

JSON has few types, and an annotation decides what comes out of it. An `int` where `float` stands, a subclass where its
base stands, a tuple in `Any`: each is another value to whoever reads it, on another node or on another day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from actors.app import App
from actors.codec import decoder, encode
from actors.definition import ActorType, WorkflowType
from actors.errors import ActorsError, PayloadRefused, SnapshotRefused
from actors.round_trip import Comparison
from actors.signature import Signature
from actors.testing.errors import NotPreserved


def assert_survives_json(value: object, type: Any = UNSET) -> None:
    """Assert that a value comes back from JSON as it is.

    Args:
        value: to look at; the value itself is not part of any message.
        type: as which it is read, an annotation; by default its own class.

    Raises:
        NotPreserved: it does not; names the field and the types.
    """
    __tracebackhide__ = True
    if (found := _lost(value, value.__class__ if type is UNSET else type, value.__class__.__name__)) is not None:
        raise NotPreserved(found)


class JsonCheck:
    """Looks at what goes through the signatures of one app while it is `watching`; `found` holds what was not
    kept, `owners` who has which signature, and what stands in for it.
    """

    def __init__(self, app: App) -> None:
        self.found: list[str] = []
        self.owners: list[tuple[Any, str, Signature]] = []
        for task in app.tasks.values():
            self._watch(task, "signature", f"task {task.name}")
        for kind in app.types.values():
            for handler in (*kind.commands.values(), *kind.queries.values()):
                self._watch(handler, "signature", handler.signature.owner)
            if isinstance(kind, WorkflowType):
                self._watch(kind, "run_signature", kind.run_signature.owner)

    def watching(self) -> _Watching:
        """Look at every encoding in a block; `NotPreserved` is raised at its end."""
        return _Watching(self)

    def event(self, kind: ActorType, event: object) -> None:
        """Look at an event that is emitted."""
        if (handler := kind.events.get(type(event).__name__)) is not None:
            self._note(_lost(event, handler.event_type, f"event {type(event).__name__} of {kind.name}"))

    def state(self, stream: str, refused: SnapshotRefused) -> None:
        """Note a state that can't be kept."""
        self.found.append(f"state of {stream}: {refused}")

    def arguments(self, owner: str, given: Mapping[str, Any], read: Mapping[str, Any]) -> None:
        """Look at arguments, and at what their receiver gets."""
        for name, value in given.items():
            self._note(_Values().difference(value, read[name], f"{owner}: argument {name}"))

    def result(self, owner: str, given: object, read: object) -> None:
        """Look at a result, and at what its receiver gets."""
        self._note(_Values().difference(given, read, f"{owner}: its result"))

    def _note(self, found: str | None) -> None:
        if found is not None:
            self.found.append(found)

    def _watch(self, owner: Any, name: str, title: str) -> None:
        self.owners.append((owner, name, _WatchedSignature(getattr(owner, name), title, self)))


class _Watching:
    """A block in which the app's signatures are watched. A class, so that no frame of its own stands in a traceback."""

    def __init__(self, check: JsonCheck) -> None:
        self._check = check
        self._kept: list[tuple[Any, str, Signature]] = []

    def __enter__(self) -> None:
        self._kept = [(owner, name, getattr(owner, name)) for owner, name, _ in self._check.owners]
        for owner, name, watched in self._check.owners:
            setattr(owner, name, watched)

    def __exit__(self, *_: object) -> None:
        __tracebackhide__ = True
        for owner, name, signature in self._kept:
            setattr(owner, name, signature)
        found, self._check.found = self._check.found, []
        if found:
            raise NotPreserved("\n".join(dict.fromkeys(found)))


class _WatchedSignature(Signature):
    """A signature that shows a check what goes through it."""

    def __init__(self, original: Signature, title: str, check: JsonCheck) -> None:
        vars(self).update(vars(original))
        self._title, self._check = title, check

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """See `Signature`."""
        data = super().encode(args, kwargs)
        self._check.arguments(self._title, self._signature.bind(*args, **kwargs).arguments, self.decode(data))
        return data

    def encode_result(self, value: object) -> bytes:
        """See `Signature`."""
        data = super().encode_result(value)
        self._check.result(self._title, value, self.decode_result(data))
        return data


class _Values(Comparison):
    """A comparison to which one object in two places is no matter: in a message nobody changes it."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = _Forgetful()


class _Forgetful(dict[int, Any]):
    def __contains__(self, key: object) -> bool:
        return False


def _lost(value: object, as_type: Any, path: str) -> str | None:
    try:
        return _Values().difference(value, decoder(as_type)(encode(value)), path)
    except (PayloadRefused, ActorsError, TypeError) as error:
        return f"{path} does not survive JSON: {error}"
