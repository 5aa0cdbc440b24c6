"""The example of the page on running: what waits for a person is told with its reason, and is gone once it is mended."""

from __future__ import annotations

from actors import App, Workflow, command
from tests.acceptance.docs.examples import imported
from tests.acceptance.docs.pages import ROOT
from tests.simulation.world import World, simulate

RATES: dict[str, int] = {}


class Order(Workflow):
    def __init__(self) -> None:
        self.paid = False

    async def run(self) -> int:
        await self.until(lambda: self.paid)
        return RATES["rate"]

    @command
    def pay(self) -> None:
        self.paid = True


def test_attention() -> None:
    """Stuck while the code raises, parked where there is none, nothing when all is well."""
    with imported(ROOT / "runtime/README.md", "attention.py") as page:

        async def story(world: World) -> None:
            node = world.node()
            async with world.client() as client:
                await client.start(Order, "1")
                await client.send(Order, "1", "pay")
                await world.until(lambda: page.attention(client))
                assert await page.attention(client) == {"Order/1": "KeyError: 'rate'"}
                await node.stop()
                node = world.node(app=App())
                parked = await world.until(lambda: _reason(page.attention, client, "knows no such type"), seconds=600)
                assert "Order" in parked
                RATES["rate"] = 7
                await node.stop()
                world.node()
                assert await client.result(Order, "1") == 7
                assert await page.attention(client) == {}
            await world.stop_all()

        simulate(story, App(actors=[Order]))


async def _reason(attention, client, holds: str) -> str:  # type: ignore[no-untyped-def]  # the page's function has no annotations
    reason: str = (await attention(client)).get("Order/1") or ""
    return reason if holds in reason else ""
