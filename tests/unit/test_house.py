"""The house rules on size and names, for everything that is installed. Who breaks one takes the file apart along its concepts."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "eventstore", "runtime")
MOST_LINES = 400  # of a file
MOST_STATEMENT_LINES = 50  # of a function: its signature and docstring are told, not run, and do not count
NAMELESS = {"base", "common", "core", "helper", "helpers", "manager", "misc", "tools", "util", "utils"}


def _files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@pytest.fixture(autouse=True)
def _nothing_is_collected_meanwhile() -> Iterator[None]:
    """What a collected object of an earlier test runs in the midst of a parse confuses the parser of Python 3.11."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    """Give each function's place, and how many lines its statements take."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node, clean=False) is not None and len(node.body) > 1 else 0]
            lines = (node.end_lineno or node.lineno) - first.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(statements: Iterable[ast.stmt], modules: set[str]) -> Iterator[str]:
    """Give the modules that are imported when these statements run; what only type checkers read is left out."""
    for statement in statements:
        match statement:
            case ast.ImportFrom(module=str(module), names=names):
                for alias in names:
                    yield whole if (whole := f"{module}.{alias.name}") in modules else module
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.If() if "TYPE_CHECKING" not in ast.dump(statement.test):
                yield from _imported(statement.body, modules)
            case ast.Try():
                yield from _imported(statement.body, modules)
            case _:
                pass


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


def test_no_imports_go_in_a_circle() -> None:
    """What needs each other to be loaded is one thing in two files."""
    files = {_module(path): path for path in _files()}
    graph = {name: set(_imported(_tree(path).body, set(files))) & set(files) - {name} for name, path in files.items()}
    assert sum(map(len, graph.values())) > 1000
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them
