"""A fingerprint of the code that folds an actor's events: when it has changed, the fold may give another state.

It covers the `@event` methods, the upcasters and `__init__`, what they name in turn (methods of the actor, functions, classes and
constants of its modules, variables of enclosing functions), and the classes of the state and the events: their
fields, defaults and methods. Code counts as bytecode with its constants and names, so that comments and layout do
not matter. It is the same in every process of one minor version of Python; another version folds anew.

What it can't see: values that are looked up by a computed name or held by an object, C extensions, the standard
library, files. `Snapshots.schema` is there for those.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any
from uuid import UUID

import msgspec

FORMAT = 1  # of the fingerprint and of what a snapshot holds: raise it when either changes
MOST = 2000  # functions and classes that are followed; beyond them only names count
_DEEPEST = 6  # levels of containers

_CONSTANTS = (int, str, bytes, float, complex, type(None), type(...), Decimal, date, datetime, time, timedelta, UUID)
_EMPTY_CELL = CellType()
_LIBRARIES = frozenset({"actors", "msgspec", "pydantic", "pydantic_core"})


def fingerprint(
    cls: type, folds: Iterable[FunctionType], types: Iterable[type], upcasters: Iterable[tuple[Any, ...]] = ()
) -> str:
    """Give the fingerprint.

    Args:
        cls: the actor class, in which methods are looked up.
        folds: where the code begins.
        types: the classes of the state and of the events.
        upcasters: what each declares: names, numbers, a function.
    """
    reader = _Reader(cls)
    for function in sorted(folds, key=lambda function: function.__qualname__):
        reader.refer(function)
    for type_ in types:
        reader.refer(type_)
        reader.schema(type_)
    for declared in upcasters:
        reader.value(declared)
    return f"{sys.implementation.cache_tag}-{reader.digest()}"


class _Reader:
    """Says everything that counts to a hash. What it meets is put at the end of a queue, so that order is certain."""

    def __init__(self, cls: type) -> None:
        self._cls = cls
        self._hash = hashlib.blake2b(f"perdure {FORMAT}".encode(), digest_size=16)
        self._waiting: deque[Any] = deque()
        self._met: dict[int, Any] = {}  # by identity; holds them, so that no identity is used twice

    def digest(self) -> str:
        while self._waiting:
            thing = self._waiting.popleft()
            if isinstance(thing, FunctionType):
                self._function(thing)
            else:
                self._class(thing)
        return self._hash.hexdigest()

    def refer(self, thing: Any) -> None:
        """Say what something is called, and have it read later."""
        self._say(getattr(thing, "__qualname__", type(thing).__qualname__))
        if id(thing) not in self._met and len(self._met) < MOST and not _foreign(thing):
            self._met[id(thing)] = thing
            self._waiting.append(thing)

    def schema(self, type_: type) -> None:
        """Say a type's fields, as far as msgspec knows them."""
        try:
            info = msgspec.inspect.type_info(type_)
        except (TypeError, NameError, RecursionError):
            return  # such a state has no snapshots, and such an event is refused at registration
        stack: list[Any] = [info]
        seen: dict[int, Any] = {}
        while stack:
            part = stack.pop()
            if isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field) and id(part) not in seen:
                seen[id(part)] = part
                self._say(type(part).__name__)
                stack.extend(getattr(part, name) for name in part.__struct_fields__)
            elif isinstance(part, tuple):
                stack.extend(part)
            else:
                self._value(part)

    def value(self, value: Any) -> None:
        """Say a value, and have the functions in it read later."""
        self._value(value)

    def _say(self, *texts: str) -> None:
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            self._hash.update(b"%d:" % len(data) + data)

    def _function(self, function: FunctionType) -> None:
        self._say("function", function.__qualname__)
        self._value(function.__defaults__)
        self._value(function.__kwdefaults__)
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._say(name)
            self._value(None if cell == _EMPTY_CELL else cell.cell_contents)
        names: set[str] = set()
        for code in _codes(function.__code__):
            self._say("code", code.co_code.hex(), code.co_exceptiontable.hex(), *code.co_names, *code.co_freevars)
            for constant in code.co_consts:
                self._value(constant)
            names.update(code.co_names)
        for name in sorted(names):
            self._named(name, function.__globals__, names)

    def _named(self, name: str, module: dict[str, Any], names: set[str]) -> None:
        """Say what a name in a function's code may lead to: a global, a part of a module, a method of the actor."""
        self._say(name)
        for holder in (module, *(vars(found) for other in sorted(names) if _followed(found := module.get(other)))):
            if name in holder:
                self._value(holder[name])
        self._value(inspect.getattr_static(self._cls, name, None))

    def _class(self, cls: type) -> None:
        self._say("class", cls.__qualname__)
        for base in cls.__mro__:
            if _foreign(base):
                continue
            self._say(base.__qualname__)
            self._value(getattr(base, "__struct_fields__", None))
            self._value(getattr(base, "__struct_defaults__", None))
            for name, member in sorted(vars(base).items()):
                if isinstance(member, FunctionType) or not (name.startswith("__") and name.endswith("__")):
                    self._say(name)
                    self._value(member)

    def _value(self, value: Any, depth: int = 0) -> None:
        """Say a value, if it has a form that is the same in every process; else only its type."""
        self._say(type(value).__qualname__)
        if isinstance(value, Enum):
            self._say(value.name)
            self._value(value.value, depth + 1)
            self.refer(type(value))
        elif isinstance(value, _CONSTANTS):
            self._say(repr(value))
        elif isinstance(value, tuple | list | dict | set | frozenset) and depth < _DEEPEST:
            self._several(value, depth + 1)
        elif isinstance(value, FunctionType | type):
            self.refer(value)
        elif isinstance(value, re.Pattern):
            self._say(repr(value.pattern), str(value.flags))
        elif isinstance(value, ModuleType):
            self._say(value.__name__)
        else:
            for part in _parts(value):
                self._value(part, depth + 1)

    def _several(self, value: Any, depth: int) -> None:
        self._say(str(len(value)))
        if isinstance(value, set | frozenset):
            value = sorted(value, key=repr)
        for item in value:
            self._value(item, depth)
            if isinstance(value, dict):
                self._value(value[item], depth)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Give a function's code and that of what is defined inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _parts(value: Any) -> Iterator[Any]:
    """Give what is known to be behind the wrappers that Python itself has."""
    match value:
        case staticmethod() | classmethod():
            yield value.__func__
        case property():
            yield from (value.fget, value.fset)
        case partial():
            yield from (value.func, value.args, value.keywords)
        case _ if not isinstance(value, CodeType) and not _foreign(type(value)):
            yield type(value)  # an object of the user's: its methods may be called


def _followed(module: Any) -> bool:
    return isinstance(module, ModuleType) and not _not_the_users(module.__name__)


def _foreign(thing: Any) -> bool:
    """Whether code is the interpreter's, the standard library's or the model's own, which counts by its name."""
    return _not_the_users(str(getattr(thing, "__module__", None) or "builtins"))


def _not_the_users(module: str) -> bool:
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in _LIBRARIES
