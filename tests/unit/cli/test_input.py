"""`--input`: JSON as it stands, or one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.cli.errors import CommandLineError
from runtime.cli.input import read_input


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (None, b"{}"),
        ("{}", b"{}"),
        (' {"amount": 10.00} ', b'{"amount": 10.00}'),
        ('["a", 1]', b'["a", 1]'),
    ],
)
def test_json_goes_on_as_it_stands(text: str | None, data: bytes) -> None:
    """Not a digit of a number is changed on the way."""
    assert bytes(read_input(text)) == data


def test_a_file_is_read(tmp_path: Path) -> None:
    """@FILE."""
    file = tmp_path / "order.json"
    file.write_text('{"a": 1}\n')
    assert bytes(read_input(f"@{file}")) == b'{"a": 1}'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "give an object"),
        ("{", "truncated"),
        ("amount=10", "quote the JSON for the shell"),
        ('"text"', "it is a str"),
        ("null", "it is null"),
        ('{"a": NaN}', "malformed"),
        ("[" * 100 + "]" * 100, "nested deeper than 64"),
        ('{"a": "' + "x" * 3_000_000 + '"}', "the limit is"),
        ("@/no/such/file", "No such file"),
        ('{"a": "\udcff"}', "utf-8"),
    ],
)
def test_bad_input_is_refused(text: str, complaint: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(CommandLineError, match="(?i)" + complaint):
        read_input(text)
