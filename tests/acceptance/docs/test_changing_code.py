"""The page about changing code: its examples run, and do what it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actors import App
from actors.definition import WorkflowType
from tests.acceptance.docs.pages import ROOT, python_file
from tests.unit.actors.stage import Stage

PAGE = ROOT / "actors" / "changing-code.md"


def example(name: str, **changes: str) -> Any:
    """Run one of the page's Python files, with some of its text changed; gives what it defines."""
    text = python_file(PAGE, name)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(text, name, "exec", dont_inherit=True), defined)
    return SimpleNamespace(**defined)


def stage(defined: Any, type: str) -> Stage:
    """Put an example's workflow on a stage."""
    app: App = defined.app
    kind = app.type(type)
    assert isinstance(kind, WorkflowType)
    return Stage(kind.cls, list(app.tasks.values()))


def test_patch() -> None:
    """A run of before does not insure; one of now does."""
    old = stage(example("patch.py", **{'self.patched("insure first")': "False"}), "Order")
    old.start(parcel="P")
    now = example("patch.py")
    old.reload(now.Order, list(now.app.tasks.values()))
    old.done(1, "P shipped")
    new = stage(now, "Order")
    new.start(parcel="P")
    new.done(1, "P insured")
    new.done(2, "P shipped")
    assert (old.result, new.result, "Patched" in new.types) == ("P shipped", "P shipped", True)


def test_versions() -> None:
    """Who was started with the first version keeps to it; who starts now gets the second."""
    defined = example("versions.py")
    old = Stage(defined.OrderV1, [defined.ship])
    old.start(parcel="P")
    kind = defined.app.type("Order")
    old.execution = old.fresh(kind)
    old.execution.replay(old.journal)
    new = stage(defined, "Order")
    new.start(parcel="P", express=True)
    old.done(1, "P shipped")
    assert (old.execution.kind.cls, old.result, new.execution.kind.version) == (defined.OrderV1, "P shipped", 2)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says later changes nothing."""
    payout = stage(example("limits.py"), "Payout")
    payout.start(cents=50)
    monkeypatch.setenv("LIMITS", '{"day": 1}')
    assert payout.replayed().outcome == payout.execution.outcome
    assert payout.result is True
