"""The page about finding instances, keeping and deleting them: its examples run, and find what it says."""

from __future__ import annotations

from datetime import timedelta

from tests.acceptance.docs.examples import imported
from tests.acceptance.docs.pages import ROOT
from tests.simulation.world import World, simulate

PAGE = ROOT / "actors" / "searching.md"


def test_finding() -> None:
    """The heavy one of two parcels is found."""
    with imported(PAGE, "parcels.py") as parcels, imported(PAGE, "finding.py") as finding:

        async def story(world: World) -> None:
            world.node()
            async with world.client() as client:
                assert await finding.find(client) == ["Parcel/2"]

        simulate(story, parcels.app)


def test_keeping_and_deleting() -> None:
    """The one that was deleted is gone, the other one is kept for its time (`test_retention` lets that pass)."""
    with imported(PAGE, "kept.py") as kept, imported(PAGE, "forgetting.py") as forgetting:

        async def story(world: World) -> None:
            world.node()
            async with world.client() as client:
                assert await forgetting.forget(client) == ["Reminder/2"]

        simulate(story, kept.app)
        assert kept.Reminder.retention == timedelta(days=30)
