"""Annotations are the schema: what goes in, what comes out, what is refused and when."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Raw

from actors import DefinitionError, InvalidArguments, PayloadRefused
from actors.signature import Signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from nowhere import Missing  # type: ignore[import-not-found]  # the mistake under test


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Line:
    sku: str
    units: int = 1


class Custom:
    pass


def of(function: Callable[..., Any]) -> Signature:
    return Signature(function, "Order.fulfil", skip_first=False)


def book(sku: str, units: int = 1, *, note: str | None = None) -> int:
    return 1


def test_arguments_by_name_are_read() -> None:
    """The usual form."""
    assert of(book).decode(b'{"sku":"x","units":2,"note":"n"}') == {"sku": "x", "units": 2, "note": "n"}


def test_defaults_fill_what_is_missing() -> None:
    """A parameter with a default can be added later."""
    assert of(book).decode(b'{"sku":"x"}') == {"sku": "x", "units": 1, "note": None}


@pytest.mark.parametrize("data", [b'["x", 2]', b' \n["x",2]', Raw(b'["x",2]')])
def test_a_list_fills_parameters_by_position(data: bytes | Raw) -> None:
    """Convenient by hand; leading white space is part of JSON."""
    assert of(book).decode(data) == {"sku": "x", "units": 2, "note": None}


def test_white_space_before_an_object_is_nothing() -> None:
    """JSON allows it."""
    assert of(book).decode(b'\t {"sku":"x"}')["sku"] == "x"


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"{}", "missing required field `sku`"), (b"[]", "at least length 1"),
     (b'{"sku":"x","unit":2}', "unknown field `unit`"), (b'["x",1,null,4]', "length"),
     (b'{"sku":1}', "Expected `str`, got `int`"), (b'{"sku":"x","units":"2"}', "Expected `int`, got `str`"),
     (b'{"sku":null}', "got `null`"), (b'{"sku":"x","units":1.5}', "Expected `int`"), (b'"x"', "Expected `object`"),
     (b"", "truncated"), (b'{"sku":"x"', "truncated")],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(data: bytes, why: str) -> None:
    """The message names the function, its parameters and what is wrong."""
    with pytest.raises(InvalidArguments, match=why) as caught:
        of(book).decode(data)
    assert str(caught.value).startswith("Order.fulfil(sku, units, note): ")


def test_a_call_is_encoded_by_name() -> None:
    """However it was called."""
    expected = b'{"sku":"x","units":2}'
    assert [of(book).encode(("x", 2), {}), of(book).encode(("x",), {"units": 2})] == [expected, expected]


def test_keyword_only_parameters_stay_so() -> None:
    """As in Python."""
    with pytest.raises(InvalidArguments, match="positional"):
        of(book).encode(("x", 1, "note"), {})


def test_a_required_keyword_only_parameter_may_follow_defaults() -> None:
    """The order of parameters is Python's business."""

    def f(a: int = 1, *, b: int) -> None: ...

    assert of(f).decode(of(f).encode((), {"b": 2})) == {"a": 1, "b": 2}
    with pytest.raises(InvalidArguments, match="'b'"):
        of(f).encode((1,), {})


@pytest.mark.parametrize(
    ("args", "kwargs", "why"),
    [
        ((), {}, "sku"),
        (("x", 1, "n", 4), {}, "too many"),
        (("x",), {"colour": 1}, "colour"),
        (("x",), {"sku": 1}, "sku"),
    ],
)
def test_a_call_that_does_not_fit_is_refused(args: tuple[Any, ...], kwargs: dict[str, Any], why: str) -> None:
    """Before anything is stored."""
    with pytest.raises(InvalidArguments, match=why):
        of(book).encode(args, kwargs)


def test_a_call_with_a_wrong_type_is_refused_where_it_is_made() -> None:
    """A mistake of the caller must not become a failure of the task."""
    with pytest.raises(InvalidArguments, match="Expected `int`, got `str`"):
        of(book).encode(("x", "many"), {})


def test_a_call_with_nan_is_refused() -> None:
    """Arguments are payloads like any other."""

    def f(x: float) -> None: ...

    with pytest.raises(InvalidArguments, match="NaN"):
        of(f).encode((float("nan"),), {})


def test_rich_types_are_converted() -> None:
    """Dataclasses, enums, decimals, datetimes and UUIDs arrive as what they are annotated."""

    def f(line: Line, colour: Colour, much: Decimal, at: datetime, key: UUID, more: list[Line] | None) -> None: ...

    arguments = {
        "line": Line("x", 2),
        "colour": Colour.RED,
        "much": Decimal("1.10"),
        "at": datetime.fromisoformat("2026-01-02T03:04:05+00:00"),
        "key": UUID(int=7),
        "more": [Line("y")],
    }
    assert of(f).decode(of(f).encode((), arguments)) == arguments


def test_what_is_not_annotated_takes_anything() -> None:
    """Types are a service, not a duty."""

    def f(a, b=2):  # type: ignore[no-untyped-def]  # the case under test
        ...

    assert of(f).decode(b'{"a":{"x":[1]}}') == {"a": {"x": [1]}, "b": 2}


def test_a_mutable_default_is_the_functions_own() -> None:
    """Defaults behave as in a plain call."""
    default: list[int] = [1]

    def f(a: list[int] = default) -> None: ...

    assert of(f).decode(b"{}")["a"] is default


def test_self_is_no_argument() -> None:
    """A method's first parameter is not the caller's business."""

    def f(self: Any, a: int) -> None: ...

    assert Signature(f, "o", skip_first=True).parameters == ("a",)


@pytest.mark.parametrize("name", ["args", "kwargs", "positional"])
def test_parameters_without_a_name_in_json_are_refused(name: str) -> None:
    """Arguments travel by name, so each needs one that a call may use."""

    def args(*a: int) -> None: ...
    def kwargs(**a: int) -> None: ...
    def positional(a: int, /) -> None: ...

    with pytest.raises(DefinitionError, match=r"Order\.fulfil: parameter"):
        of(locals()[name])


@pytest.mark.parametrize("type_", [Custom, list[Custom], Custom | None, dict[str, tuple[int, Custom]]])
def test_a_type_that_json_cant_make_is_refused_at_registration(type_: Any) -> None:
    """Long before the first message; the message names parameter and type."""

    def f(a: int) -> None: ...

    f.__annotations__["a"] = type_
    with pytest.raises(DefinitionError, match=r"parameter a.*Custom"):
        of(f)


def test_a_result_type_that_json_cant_make_is_refused_at_registration() -> None:
    """Results are stored, too."""

    def f() -> Custom: ...  # type: ignore[empty-body]  # never called

    with pytest.raises(DefinitionError, match=r"the result.*Custom"):
        of(f)


def test_a_union_that_json_cant_tell_apart_is_refused_at_registration() -> None:
    """Two plain structs have the same JSON form."""
    a, b = msgspec.defstruct("A", ["x"]), msgspec.defstruct("B", ["x"])

    def f(v: int) -> None: ...

    f.__annotations__["v"] = a | b
    with pytest.raises(DefinitionError, match="parameter v"):
        of(f)


def test_an_annotation_that_is_not_there_at_run_time_is_refused() -> None:
    """The message says how to get it there."""

    def f(a: Missing) -> None: ...

    with pytest.raises(DefinitionError, match=r"'Missing'.*TYPE_CHECKING"):
        of(f)


@pytest.mark.parametrize("annotation", ["datetime.nothing", "1 +", "int | 5", "list[int"])
def test_a_broken_annotation_is_a_definition_error(annotation: str) -> None:
    """Whatever evaluating it raises."""

    def f(a: int) -> None: ...

    f.__annotations__["a"] = annotation
    with pytest.raises(DefinitionError, match=r"Order\.fulfil: "):
        of(f)


def test_a_type_may_hold_itself() -> None:
    """Trees are ordinary data."""
    tree = msgspec.defstruct("Tree", [("children", list[Any])])

    def f(a: int) -> None: ...

    f.__annotations__["a"] = tree
    assert of(f).parameters == ("a",)


def test_a_result_is_checked_against_its_annotation() -> None:
    """A wrong result is found where it is made, not where it is read."""
    with pytest.raises(PayloadRefused, match="returned what its annotation does not allow: Expected `int`, got `str`"):
        of(book).encode_result("one")


def test_a_result_comes_back_as_its_type() -> None:
    """The awaiting code sees the annotated type."""

    def f() -> Line: ...  # type: ignore[empty-body]  # never called

    assert of(f).decode_result(of(f).encode_result(Line("x", 2))) == Line("x", 2)
