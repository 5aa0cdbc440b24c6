"""The page about finding instances: its examples run, and find what it says."""

from __future__ import annotations

from typing import Any

from tests.acceptance.docs.pages import ROOT, python_file
from tests.simulation.world import World, simulate

PAGE = ROOT / "actors" / "searching.md"


def test_finding() -> None:
    """The heavy one of two parcels is found."""
    defined: dict[str, Any] = {"__name__": "parcels"}
    for name in ("parcels.py", "finding.py"):
        exec(compile(python_file(PAGE, name), name, "exec", dont_inherit=True), defined)

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await defined["find"](client) == ["Parcel/2"]

    simulate(story, defined["app"])
