"""Types are the schema: a function's annotations say what its JSON arguments may be."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import partial
from typing import Any, get_type_hints

import msgspec
from msgspec import Raw
from msgspec.structs import asdict

from actors.codec import MAX_DEPTH, UNREADABLE, UNWRITABLE, encode, plain_decoder, plain_encode, vet
from actors.errors import DefinitionError, InvalidArguments, PayloadRefused


class Signature:
    """The arguments and the result of one function, convertible to and from JSON.

    Arguments travel as an object by name (`{"tracking": "x"}`), so that a parameter with a default can be added
    later; a list by position is taken too.
    """

    def __init__(self, function: Callable[..., Any], owner: str, *, skip_first: bool) -> None:
        """Read a function's signature.

        Args:
            function: what to read.
            owner: how messages name it, for example `ProcessOrder.fulfil`.
            skip_first: whether the first parameter is `self`.

        Raises:
            DefinitionError: a parameter can't be named in JSON, or a type can't be made from it.
        """
        self.owner = owner
        hints = type_hints(function, owner)
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        self._signature = inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in parameters])
        fields: list[Any] = []
        for parameter in parameters:
            if parameter.kind not in _NAMED:
                raise DefinitionError(
                    f"{owner}: parameter {parameter} can't be filled from JSON; give each argument a name of its own"
                )
            field: tuple[Any, ...] = (parameter.name, hints.get(parameter.name, Any))
            if parameter.default is not inspect.Parameter.empty:
                field += (msgspec.field(default_factory=partial(_same, parameter.default)),)
            fields.append(field)
        self.parameters: tuple[str, ...] = tuple(name for name, *_ in fields)
        self.result_type: Any = hints.get("return", Any)
        self._call = _call(parameters)
        self._by_name, self._by_position = self._decoders(fields)
        self._result = plain_decoder(checked_type(self.result_type, f"{owner}: the result"))

    def encode(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Give call arguments as a JSON object.

        Raises:
            InvalidArguments: they do not fit the parameters, or one is of another type than its annotation.
        """
        try:
            # A struct encodes in half the time of a dict, and takes its fields as the function takes its arguments.
            arguments = self._call(*args, **kwargs)
            data = plain_encode(arguments)
            if len(data) > MAX_DEPTH or b"null" in data:  # else there is nothing in it to vet
                vet(data, arguments)
            self._by_name(data)
        except (PayloadRefused, *UNWRITABLE):
            return self._encode_with_care(args, kwargs)
        return data

    def _encode_with_care(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
        """Encode a call that leaves arguments to their defaults, or say what is wrong with it."""
        try:
            arguments = self._signature.bind(*args, **kwargs).arguments  # without defaults: the callee has its own
        except TypeError as error:
            raise InvalidArguments(f"{self.owner}: {error}") from None
        try:
            data = encode(arguments)
            self._by_name(data)
        except (PayloadRefused, *UNREADABLE) as error:
            raise self._misfit(error) from error
        return data

    def decode(self, data: bytes | Raw) -> dict[str, Any]:
        """Read JSON arguments; gives the keyword arguments for the call.

        Raises:
            InvalidArguments: one is missing, unknown, or of another type.
        """
        try:
            return asdict(self._by_name(data))
        except UNREADABLE as error:
            if _LIST.match(memoryview(data)) is None:
                raise self._misfit(error) from None
        try:
            return asdict(self._by_position(data))
        except UNREADABLE as error:
            raise self._misfit(error) from None

    def _misfit(self, error: Exception) -> InvalidArguments:
        return InvalidArguments(f"{self.owner}({', '.join(self.parameters)}): {error}")

    def encode_result(self, value: object) -> bytes:
        """Give a result as JSON, checked against the annotation; raises `PayloadRefused`."""
        data = encode(value)
        try:
            self._result(data)
        except UNREADABLE as error:
            raise PayloadRefused(f"{self.owner} returned what its annotation does not allow: {error}") from None
        return data

    def decode_result(self, data: bytes | Raw) -> Any:
        """Read a result as the annotated type; raises `PayloadRefused`."""
        try:
            return self._result(data)
        except UNREADABLE as error:
            raise PayloadRefused(str(error)) from error

    def _decoders(self, fields: list[Any]) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        for name, type_, *_ in fields:
            checked_type(type_, f"{self.owner}: parameter {name}")
        # Required parameters stand before optional ones in a struct by position; keyword-only ones may not.
        title = self.owner.replace(".", "_")
        by_name = msgspec.defstruct(title, fields, kw_only=True, gc=False, forbid_unknown_fields=True)
        by_position = msgspec.defstruct(
            title, sorted(fields, key=len), array_like=True, gc=False, forbid_unknown_fields=True
        )
        return plain_decoder(by_name), plain_decoder(by_position)


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_LIST = re.compile(rb"[ \t\r\n]*\[")


def _call(parameters: list[inspect.Parameter]) -> type[msgspec.Struct]:
    """Make a struct that is filled like the function is called, every argument given."""
    placed = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    base = msgspec.defstruct("call", placed, gc=False)
    return msgspec.defstruct("call", named, bases=(base,), kw_only=True, gc=False) if named else base


def _same(value: Any) -> Any:
    return value


def type_hints(annotated: Callable[..., Any] | type, owner: str) -> dict[str, Any]:
    """Read annotations; raises `DefinitionError` when one can't be."""
    try:
        return get_type_hints(annotated, include_extras=True)
    except NameError as error:
        raise DefinitionError(
            f"{owner}: the annotation {error.name!r} can't be found; import it where it is used "
            "(not only under TYPE_CHECKING): types are read at run time"
        ) from error
    except (TypeError, SyntaxError, AttributeError) as error:
        raise DefinitionError(f"{owner}: an annotation can't be read at run time: {error}") from error


def value_type(function: Callable[[], Any]) -> Any:
    """Give what a function says that it returns; anything, if it says nothing."""
    return type_hints(function, function.__name__).get("return", Any) if inspect.isfunction(function) else Any


def checked_type(type_: Any, where: str) -> Any:
    """Give a type back if JSON can be turned into it; raises `DefinitionError` that names `where` it stands."""
    try:
        msgspec.json.Decoder(type_)
        custom = _custom_type(msgspec.inspect.type_info(type_), set())
    except (TypeError, NameError, RecursionError) as error:
        raise DefinitionError(f"{where}: {type_} can't be made from JSON: {error}") from error
    if custom is not None:
        raise DefinitionError(
            f"{where}: {custom.__name__} can't be made from JSON; use builtins, a dataclass, a msgspec.Struct, "
            "an enum, or a pydantic model"
        )
    return type_


def _custom_type(info: msgspec.inspect.Type, seen: set[int]) -> type | None:
    """Find a class that neither msgspec nor pydantic can make, anywhere inside a type."""
    stack: list[Any] = [info]
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, msgspec.inspect.CustomType):
            if not hasattr(part.cls, "model_validate"):
                return part.cls
        elif isinstance(part, msgspec.inspect.Type | msgspec.inspect.Field):
            stack.extend(getattr(part, name) for name in part.__struct_fields__)
        elif isinstance(part, tuple):
            stack.extend(part)
    return None
