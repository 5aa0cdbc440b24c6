"""The page about cancelling: its tests run, and pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.docs.pages import ROOT, python_file

PAGE = ROOT / "actors" / "cancelling.md"
DEFINED: dict[str, Any] = {"__name__": "trips"}
for _name in ("trips.py", "test_trips.py"):
    exec(compile(python_file(PAGE, _name), _name, "exec", dont_inherit=True), DEFINED)
TESTS = [name for name in DEFINED if name.startswith("test_")]


@pytest.mark.parametrize("name", TESTS)
def test_the_page(name: str) -> None:
    """Each of its examples."""
    DEFINED[name]()


def test_none_is_missing() -> None:
    """A page without tests would pass, too."""
    assert len(TESTS) == 4
