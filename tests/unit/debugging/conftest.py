"""Histories of a small shop, made by the model itself, and the command line in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from runtime.cli.application import run
from runtime.cli.loading import load_app

SHOP = (Path(__file__).parent / "shop.py").read_text()


class Said(Struct):
    """What a command said, and its exit status."""

    status: int
    output: str
    errors: str

    @property
    def json_lines(self) -> list[Any]:
        import json

        return [json.loads(line) for line in self.output.splitlines()]


Perdure = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `shop.py`; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("PERDURE_DATABASE_URL", "PERDURE_BROKER_URL", "PERDURE_DATA"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shop.py").write_text(SHOP)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def perdure(folder: Path, capsys: pytest.CaptureFixture[str]) -> Perdure:
    """Runs `perdure …` in that folder."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        status = run(arguments)
        return Said(status, *capsys.readouterr())

    return call


@pytest.fixture
def order(folder: Path) -> str:
    """A file: order 1 was paid, its letter failed once, and it was shipped a day later."""
    from tests.unit.debugging.story import order_story

    return order_story(load_app("shop:app"), folder / "order.jsonl")


@pytest.fixture
def stock(folder: Path) -> str:
    """A file: an actor with three events."""
    from tests.unit.debugging.story import stock_story

    return stock_story(load_app("shop:app"), folder / "stock.jsonl")
