"""`module:app`: found in the current folder, or an error that a person can act on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cli.errors import CommandLineError
from runtime.cli.loading import load_app
from runtime.shadowing import ShadowedPackage


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_an_app_is_loaded_from_the_current_folder(folder: Path) -> None:
    """Also from inside a package, and by a dotted attribute."""
    (folder / "shop1.py").write_text("from actors import App\nclass Holder:\n    app = App()\napp = App()\n")
    assert load_app("shop1:app") is not load_app("shop1:Holder.app")


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("x = 1\ny = nothing\n", r"shop2\.py:2: NameError"),
        ("def f(:\n", r"shop2\.py:1: SyntaxError"),
        ("import no_such_module_anywhere\n", r"shop2\.py:1: ModuleNotFoundError"),
        ("raise SystemExit(3)\n", r"shop2\.py:1: SystemExit"),
        ("from actors import App, Workflow\nclass W(Workflow): pass\napp = App(actors=[W])\n", r"shop2\.py:3: .*run"),
        ("app = 7\n", "is a int, not an actors.App"),
        ("from actors import App\nother = App()\n", "no 'app'; it has other"),
        ("", "write `app = App"),
    ],
)
def test_a_broken_module_is_named_with_its_place(folder: Path, code: str, complaint: str) -> None:
    """File and line of the user's code, not of ours."""
    (folder / "shop2.py").write_text(code)
    with pytest.raises(CommandLineError, match=complaint):
        load_app("shop2:app")


@pytest.mark.parametrize("reference", ["shop", "shop:", ":app", ""])
def test_a_reference_names_module_and_app(reference: str) -> None:
    """The message shows an example."""
    with pytest.raises(CommandLineError, match="expected module:app"):
        load_app(reference)


def test_a_module_that_does_not_exist_is_said_to_be_missing(folder: Path) -> None:
    """And where it was looked for."""
    with pytest.raises(CommandLineError, match=f"no module 'shop9' .*{folder}"):
        load_app("shop9:app")


def test_a_module_that_shadows_ours_is_refused(folder: Path) -> None:
    """Before anything of it is imported."""
    (folder / "actors.py").write_text("raise RuntimeError\n")
    with pytest.raises(ShadowedPackage):
        load_app("shop:app")
