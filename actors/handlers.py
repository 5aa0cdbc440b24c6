"""`@command`, `@query` and `@event`: marks on the methods of an actor, and what registration makes of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from actors.errors import DefinitionError
from actors.signature import Signature

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__perdure_handler__"


def command(method: F) -> F:
    """Mark a method as a command handler: it may change the actor, and answers its caller."""
    return _mark(method, "command")


def query(method: F) -> F:
    """Mark a method as a query: it reads the actor and leaves no trace."""
    return _mark(method, "query")


def event(method: F) -> F:
    """Mark a method of an `Actor` as the handler of the event type that its one parameter is annotated with."""
    return _mark(method, "event")


def _mark(method: F, kind: str) -> F:
    if not inspect.isfunction(method):
        raise DefinitionError(f"@{kind} is for plain methods, it was put on {method!r}; make it the inner decorator")
    setattr(method, _MARK, kind)
    return method


class Handler:
    """A command or query of one actor type: the function, and the types of what goes in and out."""

    def __init__(self, owner: str, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        self.signature = Signature(function, f"{owner}.{name}", skip_first=True)


def marked(cls: type, kind: str) -> dict[str, Callable[..., Any]]:
    """Collect a class's methods that carry a mark, its bases' included."""
    found: dict[str, Callable[..., Any]] = {}
    for name, value in inspect.getmembers(cls, inspect.isfunction):
        # An override without the decorator is still a handler: the mark belongs to the name.
        marks = (getattr(base.__dict__.get(name), _MARK, None) for base in cls.__mro__)
        if next((mark for mark in marks if mark is not None), None) == kind:
            found[name] = value
    return found


def handlers(cls: type, owner: str, kind: str) -> dict[str, Handler]:
    """Make the handlers of one kind; raises `DefinitionError` for one that can't work."""
    made = {name: Handler(owner, name, function) for name, function in marked(cls, kind).items()}
    for handler in made.values():
        if kind == "query" and handler.is_async:
            raise DefinitionError(f"{owner}.{handler.name}: a query reads what is in memory; it must not be async")
    return made
