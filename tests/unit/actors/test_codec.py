"""Payloads: what JSON can't hold is refused on the way in, what can't be read safely is refused on the way out."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from actors import PayloadRefused
from actors.codec import MAX_BYTES, MAX_DEPTH, canonical, check, decode_any, decoder, encode


class Point(msgspec.Struct):
    x: float
    y: float | None = None


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "wrap", [lambda v: v, lambda v: [1, v], lambda v: {"a": {"b": (v,)}}, lambda v: [2**70, v], Point]
)
def test_nan_is_refused_wherever_it_stands(bad: float, wrap: Any) -> None:
    """Encoding NaN as null would lose it without a word."""
    with pytest.raises(PayloadRefused, match="NaN"):
        encode(wrap(bad))


def test_an_honest_null_is_not_taken_for_nan() -> None:
    """Only a lost NaN is refused, None is ordinary."""
    assert encode({"a": None, "b": Point(1.0)}) == b'{"a":null,"b":{"x":1.0,"y":null}}'


@pytest.mark.parametrize("value", [0xCB7FF8, b"\xcb\x7f\xf8", 2**70])
def test_what_only_looks_like_nan_is_taken(value: Any) -> None:
    """Bytes that a hint is taken from may stand for something else, and what gives no hint is looked at."""
    assert encode([None, value]).startswith(b"[null,")


def test_json_inside_a_value_goes_through() -> None:
    """A part that is JSON already may hold null."""
    assert encode([msgspec.Raw(b"null")]) == b"[null]"


def test_a_value_without_json_form_is_refused() -> None:
    """The message names the type that JSON has no form for."""
    with pytest.raises(PayloadRefused, match="object"):
        encode({"a": object()})


def test_a_lone_surrogate_is_refused() -> None:
    """Text that has no UTF-8 form can't be stored."""
    with pytest.raises(PayloadRefused):
        encode("\ud800")


def test_an_integer_of_any_size_comes_back() -> None:
    """Annotated as one, it is not read as a float."""
    assert decoder(int)(encode(2**70)) == 2**70


def test_an_object_that_holds_itself_is_refused() -> None:
    """Endless nesting is an error, not a crash."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(PayloadRefused):
        encode(endless)


def test_a_payload_over_the_limit_is_refused_in_both_directions() -> None:
    """What may not be stored may not come in either."""
    with pytest.raises(PayloadRefused, match=str(MAX_BYTES)):
        encode("x" * MAX_BYTES)
    with pytest.raises(PayloadRefused, match=str(MAX_BYTES)):
        check(b" " * (MAX_BYTES + 1))


def test_a_payload_at_the_limit_is_taken() -> None:
    """The limit is a bound, not a target to stay away from."""
    check(encode("x" * (MAX_BYTES - 2)))


@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_deep_input_is_refused_before_it_is_decoded(bracket: str) -> None:
    """The decoder's stack is never put at risk."""
    with pytest.raises(PayloadRefused, match=f"{MAX_DEPTH} levels"):
        check(bracket.encode() * 100_000)


def test_what_is_too_deep_to_be_read_is_not_written() -> None:
    """Otherwise a stored payload would be refused by whoever reads it."""
    check(encode(nested(MAX_DEPTH)))
    with pytest.raises(PayloadRefused, match="deeper"):
        encode(nested(MAX_DEPTH + 1))


def test_brackets_inside_strings_are_not_nesting() -> None:
    """Text may hold as many brackets as it likes, escaped quotes included."""
    check(encode({"text": '[{"\\' * 500, "more": "]" * 500}))


def test_wide_is_not_deep() -> None:
    """Many small objects side by side are ordinary."""
    check(encode([{"a": [1]}] * 1000))


@pytest.mark.parametrize("start", [b'"', b'[{"a', b'"\\'])
def test_hostile_strings_cost_linear_time(start: bytes) -> None:
    """A string that never ends, full of escaped quotes, must not hold the node (it took minutes once)."""
    hostile = b"[" * (MAX_DEPTH + 1) + start + b'\\"' * (MAX_BYTES // 2 - 100)
    with pytest.raises(PayloadRefused):
        check(hostile)
    with pytest.raises(PayloadRefused):
        check(hostile + b"\\")


@pytest.mark.parametrize("bad", [b"", b"{", b"[1,]", b'{"a":1}x', b"\xff\xfe", b'"\xff"', b"nul", b"NaN"])
def test_malformed_input_is_refused(bad: bytes) -> None:
    """Each is one clear error, of one type."""
    with pytest.raises(PayloadRefused):
        decode_any(bad)


def test_a_decoder_checks_types() -> None:
    """The message says what was expected, what came, and where."""
    with pytest.raises(PayloadRefused, match=r"Expected `float`, got `str` - at `\$\.x`"):
        decoder(Point)(b'{"x":"1"}')


def test_rich_types_come_back() -> None:
    """Decimals and datetimes survive the way through JSON."""
    value = {"at": datetime.fromisoformat("2026-01-02T03:04:05+00:00"), "much": Decimal("1.10")}
    rich = msgspec.defstruct("rich", [("at", datetime), ("much", Decimal)])
    assert msgspec.structs.asdict(decoder(rich)(encode(value))) == value


def test_canonical_form_ignores_spaces_and_order() -> None:
    """The same input sent twice is recognised however it was written."""
    assert canonical(b'{"b": 1, "a": [ 2 ]}') == canonical(b'{"a":[2],"b":1}')


def test_canonical_form_tells_values_apart() -> None:
    """Another value is another input."""
    assert canonical(b'{"a":1}') != canonical(b'{"a":"1"}')


def test_a_pydantic_model_goes_both_ways() -> None:
    """Where the user has pydantic, its models are types like any other."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", much=(Decimal, ...))
    data = encode(model(much="1.10"))
    assert (data, decoder(model)(data).much) == (b'{"much":"1.10"}', Decimal("1.10"))


def test_a_pydantic_model_refuses_like_the_others() -> None:
    """Its own validation error becomes the one type that callers know."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", n=(int, ...))
    with pytest.raises(PayloadRefused):
        decoder(model)(b'{"n":"many"}')


def test_nan_in_a_pydantic_model_is_refused() -> None:
    """The hook must not be a way around the rule."""
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", x=(float, ...))
    with pytest.raises(PayloadRefused):
        encode(model(x=math.nan))
