"""Conditions on search attributes as people write them: `customer=ACME`, `total>100`, `paid=true`, `code="007"`."""

from __future__ import annotations

import re

import msgspec

from actors.attributes import checked
from actors.errors import InvalidInput
from eventstore import Condition, Operator
from runtime.errors import CommandInvalid

MOST = 8
_CONDITION = re.compile(r"\s*([\w-]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.ASCII | re.DOTALL)


def condition(text: str) -> Condition:
    """Read a condition. A value that is JSON (a number, true, false, text in quotes) is taken as that, else as text.

    Raises:
        CommandInvalid: it is none.
    """
    if (match := _CONDITION.fullmatch(text)) is None:
        raise CommandInvalid(
            f"{text!r} is no condition: expected such as customer=ACME, total>100 or paid=true", "Condition"
        )
    name, operator, value = match.groups()
    kept = checked_value(name, value)
    if isinstance(kept, bool) and operator not in {"=", "!="}:
        raise CommandInvalid(f"{text!r}: a bool is equal or it is not; it has no order", "Condition")
    return Condition(name, Operator(operator), kept)


def checked_value(name: str, text: str) -> str | int | float | bool:
    """Read an attribute's value; raises `CommandInvalid`."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = text
    try:
        kept = checked({name: value})[name]
    except InvalidInput as error:
        raise CommandInvalid(str(error), type(error).__name__) from error
    if kept is None:
        raise CommandInvalid(
            f"{name}: null is no value to compare with; an attribute is there or it is not", "Condition"
        )
    return kept


def conditions(texts: list[str] | tuple[str, ...]) -> list[Condition]:
    """Read several, at most `MOST`; raises `CommandInvalid`."""
    if len(texts) > MOST:
        raise CommandInvalid(f"{len(texts)} conditions; at most {MOST} at once", "Condition")
    return [condition(text) for text in texts]
