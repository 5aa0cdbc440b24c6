from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from msgspec import Raw

from runtime.cli.errors import WrongInput


def read_input(text: str | None, option: str = "--input") -> Raw:
    """Read `--input`, or another option of its sort: JSON, @FILE, or - for the standard input. The JSON goes on as it stands, so no digit is lost.

    Raises:
        WrongInput: it can't be read, is not JSON, or is neither an object nor a list.
    """
    if text is None:
        return Raw(b"{}")
    raw, value = _read(text, option)
    if not isinstance(value, dict | list):
        raise WrongInput(
            f'{option} must be an object of arguments by name, for example {{"amount": 10}}; it is {_what(value)}'
        )
    return raw


def read_value(text: str, what: str = "the value") -> Raw:
    """Read any JSON value, likewise; raises `WrongInput`."""
    return _read(text, what)[0]


def _read(text: str, option: str) -> tuple[Raw, Any]:
    from actors.codec import check, decode_any
    from actors.errors import PayloadRefused

    data = _data(text, option).strip()
    try:
        check(data)
        return Raw(data), decode_any(data)
    except PayloadRefused as error:
        raise WrongInput(f"{option} can't be taken: {error}{_hint(text, option)}") from None


def read_json(what: str, text: str) -> Raw:
    """Read any JSON out of an option's value; raises `WrongInput` that names it."""
    from actors.codec import check, decode_any
    from actors.errors import PayloadRefused

    data = text.encode("utf-8", "surrogateescape").strip()
    try:
        check(data)
        decode_any(data)
    except PayloadRefused as error:
        raise WrongInput(f"{what} can't be taken: {error}; it must be JSON, quoted for the shell") from None
    return Raw(data)


def _data(text: str, option: str) -> bytes:
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise WrongInput(f"{option} {text}: {error.strerror or error}") from None


def _hint(text: str, option: str) -> str:
    if text and not option.startswith("-") and text[0] not in "-@{[":
        return "; text is JSON in quotes, and those are for the shell in quotes: '\"hello\"'"
    if not text:
        return "; give an object, for example '{}'"
    return "" if text == "-" or text[0] in "@{[" else '; quote the JSON for the shell: --input \'{"name": "value"}\''


def _what(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"
