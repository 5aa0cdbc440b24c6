"""Golden histories against the code of today, by a function and by the pytest plugin."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors import App, HistoryRefused, Workflow, command
from actors.testing import ReplayDiffers, WorkflowTest, assert_replays
from tests.unit.testing.shop import PAID, Order, Stock, app, charge, tax, write_to

ROOT = Path(__file__).resolve().parents[3]


class Reordered(Workflow, name="Order"):
    """The shop's order, changed without care: it writes before it is shipped."""

    def __init__(self) -> None:
        self.tracking: str | None = None

    async def run(self, customer: str, cents: int) -> str:
        payment = await charge(customer, cents)
        await write_to(customer, "paid")
        await self.until(lambda: self.tracking)
        return payment

    @command
    def ship(self, tracking: str) -> None:
        self.tracking = tracking


class Mistaken(Workflow, name="Order"):
    async def run(self, customer: str, cents: int) -> str:
        return customer[cents]


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    """A folder with the histories of an order and of a stock."""
    run = WorkflowTest(app, tasks=PAID)
    order = run.start(Order, "1", "ada", 500)
    order.call("ship", "T-7")
    stock = run.get(Stock, "tea")
    stock.call("add", 10)
    folder = tmp_path / "histories"
    folder.mkdir()
    (folder / "order.jsonl").write_bytes(order.history())
    (folder / "stock.jsonl").write_bytes(stock.history())
    return folder


def test_the_code_that_made_them(golden: Path) -> None:
    """One file, or all in a folder."""
    assert_replays(app, golden / "order.jsonl")
    assert_replays(app, str(golden))


def test_the_first_difference(golden: Path) -> None:
    """The file, the version, what was recorded and what the code wants."""
    with pytest.raises(ReplayDiffers) as caught:
        assert_replays(App(actors=[Reordered], tasks=[charge, write_to, tax]), golden / "order.jsonl")
    assert str(caught.value) == (
        f"{golden / 'order.jsonl'}: Order/1 does not replay\n"
        "  at version 4 the history has: TaskCompleted(#2 tax)\n  the code now: first asks for TaskScheduled(#2 write_to)"
    )


def test_a_mistake_comes_with_its_cause(golden: Path) -> None:
    """The exception that the code raised."""
    with pytest.raises(ReplayDiffers, match="the code raised IndexError") as caught:
        assert_replays(App(actors=[Mistaken]), golden / "order.jsonl")
    assert isinstance(caught.value.__cause__, IndexError)


def test_what_is_no_history(golden: Path, tmp_path: Path) -> None:
    """Cut off, empty, of nobody's type: named, never skipped."""
    whole = (golden / "order.jsonl").read_bytes()
    (golden / "cut.jsonl").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HistoryRefused, match=r"cut\.jsonl"):
        assert_replays(app, golden)
    with pytest.raises(HistoryRefused, match="no history is in this folder"):
        assert_replays(app, _empty(tmp_path))
    with pytest.raises(FileNotFoundError):
        assert_replays(app, golden / "nobody.jsonl")
    with pytest.raises(ReplayDiffers, match=r"stock.jsonl: no actor type is named 'Stock'; known: Order"):
        assert_replays(App(actors=[Order], tasks=[charge, write_to, tax]), golden / "stock.jsonl")


def _empty(folder: Path) -> Path:
    made = folder / "empty"
    made.mkdir()
    return made


APP = """
from actors import App
from tests.unit.testing.shop import Order, Stock, charge, tax, write_to
from tests.unit.testing.test_replays import Reordered, Mistaken
app = App(actors=[Order, Stock], tasks=[charge, write_to, tax])
reordered = App(actors=[Reordered, Stock], tasks=[charge, write_to, tax])
mistaken = App(actors=[Mistaken, Stock])
"""


def pytest_on(folder: Path, *lines: str) -> str:
    """What pytest says in this folder, with the plugin and these lines of configuration."""
    (folder / "golden_app.py").write_text(APP)
    (folder / "pytest.ini").write_text(
        "\n".join(["[pytest]", "perdure_histories =", *(f"    {line}" for line in lines)])
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "pytest_perdure", "-p", "no:cacheprovider", "-q", "."],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
    )
    return done.stdout + done.stderr


def test_the_plugin_makes_each_history_a_test(golden: Path, tmp_path: Path) -> None:
    """It shows the first difference and nothing of its own inside; of a mistake the line that raised."""
    for folder in ("reordered", "mistaken", "nobody"):
        shutil.copytree(golden, tmp_path / folder)
    (tmp_path / "nobody" / "stock.jsonl").unlink()
    said = pytest_on(
        tmp_path,
        "histories golden_app:app",
        "reordered golden_app:reordered",
        "mistaken golden_app:mistaken",
        "nobody golden_app:nobody",
    )
    assert "3 failed, 4 passed" in said
    assert "at version 4 the history has: TaskCompleted(#2 tax)\n  the code now: first asks for" in said
    assert "Traceback" not in said
    assert "return customer[cents]" in said
    assert "AttributeError: module 'golden_app' has no attribute 'nobody'" in said


def test_the_plugin_says_what_is_wrong_with_its_line(golden: Path, tmp_path: Path) -> None:
    """The line, and what was expected."""
    assert "expected `FOLDER MODULE:APP`" in pytest_on(tmp_path, "histories")


def test_the_plugin_does_nothing_unasked(golden: Path, tmp_path: Path) -> None:
    """Without its line no file is taken, and nothing of Perdure is imported."""
    assert "no tests ran" in pytest_on(tmp_path)
    code = (
        "import sys, pytest_perdure; sys.exit(any(name.split('.')[0] in {'actors', 'runtime'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": str(ROOT)}).returncode == 0
