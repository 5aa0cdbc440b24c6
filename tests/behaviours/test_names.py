"""The README names a test for each behaviour that must hold: is it there, and is it played on every adapter?"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
_ROW = re.compile(r"^\| (.+) \| `(test_\w+\.py)::(test_\w+)` \|$", re.MULTILINE)
NAMED = _ROW.findall((HERE / "README.md").read_text())


def _arguments(file: str, test: str) -> list[str]:
    """Give the names of a test's parameters; fails when there is none of that name."""
    tree = ast.parse((HERE / file).read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == test]
    assert found, f"the README names {test}, and {file} has no such test"
    return [argument.arg for argument in found[0].args.args]


@pytest.mark.parametrize(("behaviour", "file", "test"), NAMED, ids=[behaviour for behaviour, *_ in NAMED])
def test_a_named_behaviour_is_a_test(behaviour: str, file: str, test: str) -> None:
    """It exists; it is a story, or else it compares what stories have left."""
    arguments = _arguments(file, test)
    assert file == "test_modes.py" or "play" in arguments, behaviour


def test_the_list_is_not_shorter_than_it_was() -> None:
    """A row that nobody can read would be no row."""
    assert len(NAMED) >= 37
    assert len({test for _, _, test in NAMED}) == len(NAMED)


def test_every_file_of_stories_is_listed() -> None:
    """With what it is about."""
    text = (HERE / "README.md").read_text()
    assert [file.name for file in sorted(HERE.glob("test_*.py")) if f"| `{file.name}` |" not in text] == []
