"""Python examples of the pages, imported as the files that they stand for."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.acceptance.docs.pages import ROOT, blocks

_IMPORT = re.compile(r"^(?:from|import) (\w+)", re.MULTILINE)


def files(page: Path) -> dict[str, str]:
    """The page's Python files by name: each block's first line is the comment `# name`."""
    found = [block.text for block in blocks(page) if block.language == "python"]
    return {text.splitlines()[0].removeprefix("# "): text for text in found}


def own_tests(page: Path) -> list[tuple[str, str]]:
    """The page's tests: the file and the function."""
    return [
        (name, function)
        for name, text in files(page).items()
        if name.startswith("test_")
        for function in re.findall(r"^def (test_\w+)", text, re.MULTILINE)
    ]


@contextmanager
def imported(page: Path, name: str) -> Iterator[ModuleType]:
    """Import one of the page's files, with those of the page and of the README that it imports.

    They are modules while the context lasts, for annotations are looked up there.
    """
    known = files(ROOT / "README.md") | files(page)
    made: list[str] = []

    def load(file: str) -> ModuleType:
        for other in _IMPORT.findall(known[file]):
            if f"{other}.py" in known and other not in sys.modules:
                load(f"{other}.py")
        module = ModuleType(file.removesuffix(".py"))
        sys.modules[module.__name__] = module
        made.append(module.__name__)
        exec(compile(known[file], f"{page}: {file}", "exec", dont_inherit=True), module.__dict__)
        return module

    try:
        yield load(name)
    finally:
        for each in made:
            del sys.modules[each]
