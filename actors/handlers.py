"""`@command`, `@validator`, `@query`, `@event`: marks on the methods of an actor, and what registration makes of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

from actors.errors import DefinitionError
from actors.reading import only_reading
from actors.signature import Signature

F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")

_MARK = "__perdure_handler__"
_VALIDATES = "__perdure_validates__"
_CARRY_OVER = "__perdure_carry_over__"


@overload
def command(method: F, /) -> F: ...
@overload
def command(*, carry_over: bool = False) -> Callable[[F], F]: ...
def command(method: F | None = None, /, *, carry_over: bool = False) -> F | Callable[[F], F]:
    """Mark a method as a command handler: it may change the actor, and answers its caller.

    Args:
        method: the method, when used without parentheses.
        carry_over: in a workflow, whether `continue_as_new` may drop the handler where it waits, for the new run to begin
            it again from its first line. Otherwise it ends before the run does.
    """
    if method is None:
        return lambda method: _carried_over(_mark(method, "command"), carry_over)
    return _mark(method, "command")


def _carried_over(method: F, carry_over: bool) -> F:
    setattr(method, _CARRY_OVER, carry_over)
    return method


def validator(command: Callable[P, Any]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Mark a method as the validator of a command: it looks at the state in memory, and raises a `Failure` (such as
    `Rejected`) to refuse the command before anything of it is recorded.

    It takes the command's parameters, only reads, and is not async. It is never run on replay, so it may change with
    the code at any time. A command that was refused has left no trace: sent again with its id, it is judged anew.

    Args:
        command: the method that stands above, as in `@validator(ship)`; of a base class, `@validator(Order.ship)`.
    """

    def mark(method: Callable[P, None]) -> Callable[P, None]:
        _mark(method, "validator")
        setattr(method, _VALIDATES, getattr(command, "__name__", repr(command)))
        return method

    return mark


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
    """A command or query of one actor type: the function, the types of what goes in and out, a command's validator."""

    validator: Callable[..., Any] | None = None

    def __init__(self, owner: str, name: str, function: Callable[..., Any], *, carry_over: bool = False) -> None:
        self.name = name
        self.function = function
        self.carry_over = carry_over
        self.is_async = inspect.iscoroutinefunction(function)
        self.signature = Signature(function, f"{owner}.{name}", skip_first=True)

    def validate(self, instance: object, arguments: dict[str, Any], *, state: object = None) -> None:
        """Ask a command's validator, if it has one; what that raises is the command's refusal, if it is a `Failure`.

        Raises:
            DefinitionError: the validator set something, or returned something: neither means anything.
        """
        if self.validator is None:
            return
        with only_reading(f"the validator of {self.name}", instance, state):
            answer = self.validator(instance, **arguments)
        if answer is not None:
            raise DefinitionError(
                f"the validator of {self.name} returned {answer!r}: it refuses by raising a Failure, and returns None"
            )


def marked(cls: type, kind: str) -> dict[str, Callable[..., Any]]:
    """Collect a class's methods that carry a mark, its bases' included."""
    functions = inspect.getmembers(cls, inspect.isfunction)
    return {name: function for name, function in functions if _inherited(cls, name, _MARK) == kind}


def _inherited(cls: type, name: str, mark: str) -> Any:
    # An override without the decorator is still a handler: the mark belongs to the name.
    marks = (getattr(base.__dict__.get(name), mark, None) for base in cls.__mro__)
    return next((mark for mark in marks if mark is not None), None)


def handlers(cls: type, owner: str, kind: str) -> dict[str, Handler]:
    """Make the handlers of one kind; raises `DefinitionError` for one that can't work."""
    made = {
        name: Handler(owner, name, function, carry_over=bool(_inherited(cls, name, _CARRY_OVER)))
        for name, function in marked(cls, kind).items()
    }
    for handler in made.values():
        if kind == "query" and handler.is_async:
            raise DefinitionError(f"{owner}.{handler.name}: a query reads what is in memory; it must not be async")
    if kind == "command":
        _add_validators(cls, owner, made)
    return made


def _add_validators(cls: type, owner: str, commands: dict[str, Handler]) -> None:
    for name, function in marked(cls, "validator").items():
        marks = (getattr(base.__dict__.get(name), _VALIDATES, None) for base in cls.__mro__)
        wanted = next(mark for mark in marks if mark is not None)
        where = f"{owner}.{name}"
        if (command := commands.get(wanted)) is None:
            raise DefinitionError(f"{where} validates {wanted}, which is no @command of {owner}")
        if command.validator is not None:
            raise DefinitionError(f"{owner}.{wanted} has two validators; one can look at everything")
        if inspect.iscoroutinefunction(function):
            raise DefinitionError(f"{where}: a validator decides from what is in memory; it must not be async")
        given, taken = (list(inspect.signature(one).parameters) for one in (command.function, function))
        if given != taken:
            raise DefinitionError(
                f"{where} must take what {wanted} takes: ({', '.join(given)}), not ({', '.join(taken)})"
            )
        command.validator = function
