"""No page has an example that no test runs; and the pages' own test files pass."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.acceptance.docs.examples import files, imported, own_tests
from tests.acceptance.docs.pages import ROOT, blocks, name_of, pages

TESTS = ROOT / "tests"
FIXTURES = ROOT / "actors/testing/README.md"  # its tests have pytest's fixtures, and are run by pytest
NOT_RUN = {  # what a block of shell lines begins with: why no test of the pages runs it
    "make ": "each runs the tests, the demo or the benchmark, which have their own tests",
    "pip install": "tests/acceptance/packaging installs the wheel, tests/acceptance/demo runs the demo",
    "docker compose": "needs Docker",
    "export PERDURE_TEST_": "as above",
}
_SHELL_BLOCK = re.compile(r'shell_block\(\w+, "([^"]+)"')

MODULES = [page for page in pages() if not page.is_relative_to(TESTS)]
EACH_TEST = [(page, *test) for page in MODULES if page != FIXTURES for test in own_tests(page)]


@pytest.mark.parametrize(("page", "file", "test"), EACH_TEST, ids=lambda part: Path(part).name)
def test_of_a_page(page: Path, file: str, test: str) -> None:
    """Each test function that stands on a page."""
    with imported(page, file) as module:
        getattr(module, test)()


@pytest.mark.parametrize("page", MODULES, ids=name_of)
def test_every_python_block_is_a_file_that_a_test_runs(page: Path) -> None:
    """It has a name, and a test that names it, unless it is a test or one that a test of its page imports."""
    texts = "\n".join(
        path.read_text() for path in (*TESTS.glob("acceptance/docs/*.py"), TESTS / "unit/runtime/test_calls_page.py")
    )
    for name, text in files(page).items():
        assert name.endswith(".py"), f"{name_of(page)}: a Python block without a name: {name}"
        own = [other for file, other in files(page).items() if file.startswith("test_")]
        used = any(f"from {name[:-3]} import" in other for other in own)
        assert name.startswith("test_") or used or f'"{name}"' in texts, f"{name_of(page)}: nothing runs {name}"
        compile(text, name, "exec", dont_inherit=True)


@pytest.mark.parametrize("page", MODULES, ids=name_of)
def test_every_block_of_shell_lines_is_run(page: Path) -> None:
    """A test names the page, and the block's first words or all of its blocks; or there is a reason why none does."""
    named = " / ".join(f'"{part}"' for part in name_of(page).split("/"))
    tests = [
        text
        for path in TESTS.glob("acceptance/docs/*.py")
        if path != Path(__file__) and (named in (text := path.read_text()) or f'"{name_of(page)}"' in text)
    ]
    begins = [begin for text in tests for begin in _SHELL_BLOCK.findall(text)]
    for block in blocks(page):
        if block.language == "sh" and not any("in blocks(PAGE)" in text for text in tests):
            run = any(block.text.startswith(begin) for begin in (*begins, *NOT_RUN))
            assert run, f"{name_of(page)}: nothing runs\n{block.text}"
