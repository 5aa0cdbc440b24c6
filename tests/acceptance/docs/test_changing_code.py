"""The page about changing code: its examples run, and do what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from actors import App
from actors.definition import WorkflowType
from actors.entity import Entity
from tests.acceptance.docs.pages import ROOT, python_file
from tests.unit.actors.stage import Recorded, Stage

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


def recorded(type: str, data: str, schema: int) -> Recorded:
    return Recorded(1, type, data.encode(), datetime.now(UTC), schema)


def test_upcasters() -> None:
    """Old events, old arguments and old results are read as today's."""
    defined = example("upcasters.py")
    for type, data, schema, grams in (
        ("Added", '{"kg":2}', 1, 2000), ("Put", '{"kg":2}', 1, 2000), ("Added", '{"grams":2}', 2, 2), ("Counted", "{}", 1, 0),
    ):  # fmt: skip
        stock = Entity(defined.app.type("Stock"), "Stock/tea")
        stock.replay([recorded(type, data, schema)])
        assert (stock.state(), stock.version) == ({"grams": grams}, 1)
    delivery = Stage(defined.Delivery, [defined.weigh], [recorded("RunStarted", '{"input":{"item":"tea"}}', 1)])
    delivery.journal.append(Recorded(2, "TaskScheduled", b'{"task":1,"name":"weigh","input":{}}', datetime.now(UTC)))
    delivery.journal.append(Recorded(3, "TaskCompleted", b'{"task":1,"result":3}', datetime.now(UTC)))
    delivery.journal.append(Recorded(4, "RunCompleted", b'{"result":3000}', datetime.now(UTC)))
    delivery.reload()
    assert delivery.result == 3000


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says later changes nothing."""
    payout = stage(example("limits.py"), "Payout")
    payout.start(cents=50)
    monkeypatch.setenv("LIMITS", '{"day": 1}')
    assert payout.replayed().outcome == payout.execution.outcome
    assert payout.result is True
