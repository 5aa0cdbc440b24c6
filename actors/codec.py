"""Payloads: UTF-8 JSON, checked on the way in and on the way out.

msgspec encodes NaN as null and trusts the C stack with nesting, so both are refused here. The checks are cheap
for what is normal: a payload without `null` can't have lost a NaN, and one with few brackets can't be deep.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from itertools import accumulate
from typing import Any, TypeVar

import msgspec

from actors.errors import PayloadRefused

MAX_BYTES = 2 * 1024 * 1024
WARN_BYTES = 256 * 1024
MAX_DEPTH = 64

T = TypeVar("T")

# A string, or one that never ends: each byte is looked at once, whatever the input.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_FINITE = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")  # or the same bytes in something else: only a hint
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
# What a decoder raises. A TypeError is a list or an object where a set's element or a key must be hashable.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)
UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)


def encode(value: object) -> bytes:
    """Give a value as JSON.

    Raises:
        PayloadRefused: the value holds NaN, an infinity, or something that JSON has no form for, or is too large or
            nested too deep to be read again.
    """
    try:
        data = plain_encode(value)
    except UNWRITABLE as error:
        raise PayloadRefused(f"a {type(value).__name__} can't be stored as JSON: {error}") from error
    vet(data, value)
    return data


def vet(data: bytes, value: object) -> None:
    """Refuse JSON that a value was encoded as when the value is not wholly in it, or it could not be read again."""
    if b"null" in data and value is not None and _holds_nan(value):
        raise PayloadRefused(f"a {type(value).__name__} holds NaN or an infinity, which JSON has no form for")
    if len(data) > MAX_DEPTH:  # what is shorter can't be nested deeper
        check(data)


def check(data: bytes, *, envelope_bytes: int = 0, envelope_depth: int = 0) -> None:
    """Refuse input that is too large or nested too deep to be decoded safely.

    Args:
        data: JSON, a payload or what a payload is wrapped in.
        envelope_bytes: how much larger than a payload it may be.
        envelope_depth: how many levels deeper it may be.

    Raises:
        PayloadRefused: it goes beyond that.
    """
    if len(data) > MAX_BYTES + envelope_bytes:
        raise PayloadRefused(_too_large(len(data)))
    most = MAX_DEPTH + envelope_depth
    if data.count(b"[") + data.count(b"{") > most and _deeper_than(data, most):
        raise PayloadRefused(f"the JSON is nested deeper than {MAX_DEPTH} levels")


def decoder(type: type[T] | Any) -> Callable[[bytes | msgspec.Raw], T]:
    """Make a function that decodes and checks one type; it raises `PayloadRefused`."""
    decode: Callable[[Any], T] = plain_decoder(type)

    def checked(data: bytes | msgspec.Raw) -> T:
        try:
            return decode(data)
        except UNREADABLE as error:
            raise PayloadRefused(str(error)) from error

    return checked


def plain_decoder(type: type[T] | Any) -> Callable[[bytes | msgspec.Raw], T]:
    """Make a function that decodes and checks one type, as fast as can be; it raises one of `UNREADABLE`."""
    return msgspec.json.Decoder(type, dec_hook=_from_json).decode


def canonical(data: bytes | msgspec.Raw) -> bytes:
    """Give JSON in one form: the same value has the same bytes, however it was spaced and ordered."""
    return _CANONICAL.encode(decode_any(data))


def builtins(value: object) -> Any:
    """Give a value as builtins; raises `TypeError` for what JSON has no form for."""
    return msgspec.to_builtins(value, enc_hook=_to_json)


def _to_json(value: Any) -> Any:
    if isinstance(value, msgspec.Raw):
        return None  # only asked about on the search for NaN, and JSON already
    dump = getattr(value, "model_dump", None)  # pydantic, where the user has it
    if dump is None:
        raise TypeError(f"objects of type {type(value).__name__} are not supported")
    return dump(mode="json")


def _from_json(expected: type, value: Any) -> Any:
    validate = getattr(expected, "model_validate", None)
    if validate is None:
        raise TypeError(f"values of type {expected.__name__} can't be made from JSON")
    return validate(value)


def _holds_nan(value: Any) -> bool:
    # MessagePack keeps NaN, with a sign of its own before every float: no Python looks at each value of a good payload.
    try:
        if _NOT_FINITE.search(_pack(value)) is None:
            return False
    except UNWRITABLE:
        pass  # such as an integer of more than 64 bits
    stack = [msgspec.to_builtins(value, enc_hook=_to_json)]
    while stack:
        match stack.pop():
            case float() as number:
                if not math.isfinite(number):
                    return True
            case dict() as mapping:
                stack.extend(mapping.values())
            case list() | tuple() as items:
                stack.extend(items)
    return False


def _deeper_than(data: bytes, limit: int) -> bool:
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > limit


def _too_large(size: int) -> str:
    return f"the payload has {size} bytes, the limit is {MAX_BYTES}: store it elsewhere and pass a reference"


_pack = msgspec.msgpack.Encoder(enc_hook=_to_json).encode
# Raises what JSON has no form for in msgspec's words, and does not look for the rest: see `encode`.
plain_encode: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=_to_json).encode
decode_any: Callable[[bytes | msgspec.Raw], Any] = decoder(Any)
_CANONICAL = msgspec.json.Encoder(order="deterministic")
