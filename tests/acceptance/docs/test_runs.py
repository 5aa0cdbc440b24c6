"""The page about runs: its example does what it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.acceptance.docs.pages import ROOT, python_file
from tests.unit.actors.stage import Stage

PAGE = ROOT / "actors" / "runs.md"


def example(name: str) -> Any:
    """Run one of the page's Python files; gives what it defines."""
    defined: dict[str, Any] = {"__name__": name}
    exec(compile(python_file(PAGE, name), name, "exec", dont_inherit=True), defined)
    return SimpleNamespace(**defined)


def test_meter() -> None:
    """A month is a run; who waits for much goes on waiting in the next one."""
    meter = example("meter.py")
    with Stage(meter.Meter, [meter.bill]) as stage:
        stage.start(customer="ann", month=11)
        stage.command("above", "patient", units=6)
        for month, units in ((11, 2), (12, 4)):
            assert stage.query("total") == 0
            turns = [stage.command("read", units=units) for _ in range(3)]
            assert ("patient" in [answer.command_id for answer in turns[1].answers]) is (month == 12)
            stage.done(month - 10, "billed")
            stage.reload()
        assert stage.result == 12
        assert stage.types.count("RunContinued") == 1


def test_parcel() -> None:
    """It is ended by its timeout; one that is signed for in time is not."""
    parcel = example("parcel.py")
    with Stage(parcel.Parcel) as stage:
        stage.start()
        stage.now += 7 * 86_400
        stage.fire(0)
        assert stage.error.type == "RunTimedOut"
    with Stage(parcel.Parcel) as stage:
        stage.start()
        stage.command("sign", by="ann")
        assert stage.result == "ann"
