"""The page about tests does what it says: its test files are run beside the README's application, and so are the examples'."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from actors.testing import WorkflowTest
from tests.acceptance.docs.examples import imported
from tests.acceptance.docs.pages import ROOT, blocks, python_file

PAGE = ROOT / "actors" / "testing" / "README.md"


def pytest_in(folder: Path, *arguments: str) -> str:
    """What pytest says, in a folder that sees this checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{folder}:{ROOT}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page(tmp_path: Path) -> None:
    """Every Python block is a test file that passes, none is left out, and the plugin's line makes a history one more test."""
    (tmp_path / "shop.py").write_text(python_file(ROOT / "README.md", "shop.py"))
    names = [block.text.splitlines()[0].removeprefix("# ") for block in blocks(PAGE) if block.language == "python"]
    assert names == ["test_stock.py", "test_order.py", "test_histories.py"]
    for name in names:
        (tmp_path / name).write_text(python_file(PAGE, name))
    (plugin,) = [block.text for block in blocks(PAGE) if block.language == "toml"]
    (tmp_path / "pyproject.toml").write_text(plugin)
    (tmp_path / "tests" / "histories").mkdir(parents=True)
    with imported(ROOT / "README.md", "shop.py") as shop:
        order = WorkflowTest(shop.app, real=True).start(shop.Order, "1", "ada@example.org", 4200)
        (tmp_path / "tests" / "histories" / "order-1.jsonl").write_bytes(order.history())
    assert "9 passed" in pytest_in(tmp_path, "-p", "pytest_perdure")  # as its entry point does where it is installed


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("test_*.py")), ids=lambda file: file.name)
def test_the_examples(file: Path) -> None:
    """Each test file beside the examples passes."""
    assert "passed" in pytest_in(ROOT, str(file))
