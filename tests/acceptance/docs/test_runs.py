"""The page about runs: its example does what it says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.acceptance.docs.examples import imported
from tests.acceptance.docs.pages import ROOT, python_file
from tests.simulation.world import World, simulate
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


def test_yearly() -> None:
    """The same id, started again once it has ended."""
    with imported(PAGE, "yearly.py") as yearly:

        async def story(world: World) -> None:
            world.node()
            async with world.client() as client:
                assert await yearly.audit(client) == "books of 2027 are fine"
            await world.stop_all()
            assert [event.type for event in world.store.log.streams["Audit/books"].events].count("RunStarted") == 2

        simulate(story, yearly.app)


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
