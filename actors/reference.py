"""`self.actor(…)` and `self.tell(…)`: another actor, as the code that gives it commands sees it.

A reference holds a name and nothing else. Its attributes are the other one's commands: to call one hands the command to
the runtime, which checks the arguments against the other one's signature, records it and sends it. Python's types can't
say "the same methods, but awaited". So an attribute takes anything as far as a type checker knows; the checked form of
`ref.withdraw(5)` is `ref(Account.withdraw, 5)`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

A = TypeVar("A")
P = ParamSpec("P")
R = TypeVar("R")

# Takes the other actor's class or name, its id, the command's name and the arguments.
Call = Callable[[Any, str, str, tuple[Any, ...], dict[str, Any]], Any]


class _Reference:
    __slots__ = ("_actor", "_call", "_id")

    def __init__(self, actor: type | str, id: str, call: Call) -> None:
        self._actor, self._id, self._call = actor, id, call

    def _commanded(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # Python's own questions, such as those of `copy` and `inspect`
            raise AttributeError(name)
        return lambda *args, **kwargs: self._call(self._actor, self._id, name, args, kwargs)

    def __repr__(self) -> str:
        name = self._actor if isinstance(self._actor, str) else getattr(self._actor, "type_name", self._actor)
        return f"<{name}/{self._id}>"


class ActorReference(_Reference, Generic[A]):
    """Another actor whose answers are awaited."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        return self._commanded(name)

    @overload
    def __call__(
        self, command: Callable[Concatenate[A, P], Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...
    @overload
    def __call__(
        self, command: Callable[Concatenate[A, P], R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...
    def __call__(self, command: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Give a command by its method, `ref(Account.withdraw, 5)`: types are checked."""
        return self._commanded(command.__name__)(*args, **kwargs)


class ToldReference(_Reference, Generic[A]):
    """Another actor that is told things."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return self._commanded(name)

    def __call__(self, command: Callable[Concatenate[A, P], Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Give a command by its method, `self.tell(Account, "alice")(Account.deposit, 5)`: types are checked."""
        self._commanded(command.__name__)(*args, **kwargs)


class Speaker:
    """What workflows and actors share: giving commands to others."""

    _perdure: Any

    @overload
    def actor(self, actor: type[A], id: str, /) -> ActorReference[A]: ...
    @overload
    def actor(self, actor: str, id: str, /) -> ActorReference[Any]: ...
    def actor(self, actor: type[A] | str, id: str, /) -> ActorReference[Any]:
        """Refer to another actor or workflow, to give it commands and await the answers.

        `await self.actor(Account, "alice").withdraw(5)` gives what the command's handler returned. Several at once with
        `asyncio.gather`; those to one actor arrive in the order in which they were given. When the waiting ends first, the
        command is carried out all the same.

        Args:
            actor: its class, registered in the same `App`; or its type's name, which another app may have: then nothing
                is checked here.
            id: of the instance.

        Raises (when awaited):
            CallFailed: the command failed or was refused; `.type`, `.message` and `.details` tell why.
        """
        return ActorReference(actor, id, self._perdure.call_actor)

    @overload
    def tell(self, actor: type[A], id: str, /) -> ToldReference[A]: ...
    @overload
    def tell(self, actor: str, id: str, /) -> ToldReference[Any]: ...
    def tell(self, actor: type[A] | str, id: str, /) -> ToldReference[Any]:
        """Refer to another actor or workflow, to give it commands whose answers nobody awaits.

        `self.tell(Account, "alice").deposit(5)` records the command; it is sent once that is durable, and again until
        the other one has it. One that is refused is put aside where people see it (`perdure quarantine`).
        """
        return ToldReference(actor, id, self._perdure.tell_actor)
