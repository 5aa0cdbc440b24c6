"""The house rules on size and names, for everything that is installed. Who breaks one takes the file apart along its concepts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "eventstore", "runtime")
MOST_LINES = 400  # of a file
MOST_STATEMENT_LINES = 50  # of a function: its signature and docstring are told, not run, and do not count
NAMELESS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "tools", "util", "utils"}


def _files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Give each function's place, and how many lines its statements take."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else 0]
            lines = (node.end_lineno or node.lineno) - first.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_no_file_is_long() -> None:
    """A file holds one concept; so many lines hold two."""
    files = _files()
    assert len(files) > 200
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_long() -> None:
    """A function does one thing."""
    lengths = {place: lines for path in _files() for place, lines in _functions(path)}
    assert len(lengths) > 2000
    assert {place: lines for place, lines in lengths.items() if lines > MOST_STATEMENT_LINES} == {}


def test_files_are_named_by_the_fields_words() -> None:
    """A name that says nothing collects everything."""
    assert [str(path.relative_to(ROOT)) for path in _files() if path.stem in NAMELESS] == []
