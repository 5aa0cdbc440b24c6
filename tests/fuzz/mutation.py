"""Valid messages made invalid, byte by byte and JSON node by JSON node. A seed names a mutation for ever."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any

Pairs = list[tuple[Any, Any]]  # a JSON object that may hold a key twice


class Obj:
    """A JSON object as it is written."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


class Literal:
    """Bytes that stand where a JSON value should."""

    def __init__(self, text: bytes) -> None:
        self.text = text


LITERALS = [
    b"1e999", b"-1e999", b"NaN", b"Infinity", b"-", b"1.", b"01", b"1" * 5000, b"9" * 200, b"-9223372036854775809",
    b"18446744073709551616", b"1e-400", b"-0.0", b'"\\ud800"', b'"\\udc00x"', b'"\xff"', b'"\xed\xa0\x80"', b'"\\u0000"',
    b'"' + b"x" * 300 + b'"', b'"' + b"\\n" * 90 + b'"', b'"\xc2\x85\xe2\x80\xa8"', b'""', b'" "', b'"a/b"', b'"\\x"', b'"', b"nul", b"null",
    b"true", b"{}", b"[]", b"[[]]", b"[" * 63 + b"]" * 63, b"[" * 80 + b"]" * 80, b"[" * 5000, b'{"a":' * 70 + b"1" + b"}" * 70,
    b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b'"2026-02-30T00:00:00Z"', b'"23:59:60"',
    b'"1e999999999"', b'"sNaN"', b'"P99999999999D"', b'[1,"x",null,{"a":[]}]', b'{"a":1,"a":2}', b'{"":null}', b"1 2", b"/* */1",
]  # fmt: skip
STRINGS = [
    "",
    " ",
    "\0",
    "\x1f",
    "é",
    "🜁",
    "x" * 250,
    "a/b",
    "..",
    "%",
    "\u2028",
    "Nobody",
    "run",
    "__init__",
    "a\nb",
    "1",
]
SLICES = [b"\0", b"\xff", b"\xc3", b'"', b"\\", b"{", b"[", b"}", b",", b":", b"\\u", b"e9", b"0" * 20, b"\xef\xbb\xbf"]


def mutated(valid: list[bytes], seed: int) -> bytes:
    """Take one of the valid bodies and damage it."""
    chance = random.Random(seed)
    body = chance.choice(valid)
    if chance.random() < 0.65:
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            body = _in_tree(body, chance)
    if chance.random() < 0.5:
        for _ in range(chance.choice((1, 1, 2, 5))):
            body = in_bytes(body, chance)
    return body


def in_bytes(body: bytes, chance: random.Random) -> bytes:
    """Flip, insert, delete, double or cut off bytes."""
    at = chance.randrange(len(body) + 1)
    end = min(len(body), at + chance.choice((1, 1, 2, 8, 40)))
    match chance.randrange(6):
        case 0:
            return body[:at] + bytes(b ^ 1 << chance.randrange(8) for b in body[at : at + 1]) + body[at + 1 :]
        case 1:
            return body[:at] + chance.choice(SLICES) + body[at:]
        case 2:
            return body[:at] + body[end:]
        case 3:
            return body[:end] + body[at:end] * chance.choice((1, 3, 50)) + body[end:]
        case 4:
            return body[:at]
        case _:
            return body[:at] + chance.randbytes(end - at) + body[end:]


def _in_tree(body: bytes, chance: random.Random) -> bytes:
    """Replace, delete, double or rename one JSON node, at any depth."""
    try:
        tree = json.loads(body, object_pairs_hook=Obj)
    except (ValueError, RecursionError):
        return body
    places: list[Callable[[random.Random], None]] = []
    _places(tree, places)
    if places:
        chance.choice(places)(chance)
    return _dump(tree)


def _places(tree: Any, places: list[Callable[[random.Random], None]]) -> None:
    stack = [tree]
    while stack:
        node = stack.pop()
        items: list[Any] = node.pairs if isinstance(node, Obj) else node if isinstance(node, list) else []
        for index, item in enumerate(items):
            places.append(partial(_change, node, items, index))
            stack.append(item[1] if isinstance(node, Obj) else item)


def _change(node: Any, items: list[Any], index: int, chance: random.Random) -> None:
    is_object = isinstance(node, Obj)
    match chance.randrange(7):
        case 0:
            del items[index]
        case 1:
            items.insert(chance.randrange(len(items) + 1), items[index])
        case 2 if is_object:
            items[index] = (chance.choice(STRINGS), items[index][1])
        case 3 if is_object:
            items.append((items[index][0], _hostile(chance)))
        case _:
            items[index] = (items[index][0], _hostile(chance)) if is_object else _hostile(chance)


def _hostile(chance: random.Random) -> Any:
    match chance.randrange(4):
        case 0:
            return chance.choice(STRINGS)
        case 1:
            return chance.choice((0, -1, 2**31, 2**63, 2**64, 10**30, 0.5, 1e308, True, None))
        case _:
            return Literal(chance.choice(LITERALS))


def _dump(node: Any) -> bytes:
    if isinstance(node, Literal):
        return node.text
    if isinstance(node, Obj):
        return b"{" + b",".join(json.dumps(key).encode() + b":" + _dump(value) for key, value in node.pairs) + b"}"
    if isinstance(node, list):
        return b"[" + b",".join(map(_dump, node)) + b"]"
    return json.dumps(node).encode()
