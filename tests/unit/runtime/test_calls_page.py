"""The page on commands between actors does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from actors import App
from tests.acceptance.docs.pages import ROOT, python_file
from tests.simulation.world import World, simulate


def test_the_page_s_bank(tmp_path: Path) -> None:
    """A transfer that works, one that is refused, and a ledger that was told of both moves."""
    path = tmp_path / "bank.py"
    path.write_text(python_file(ROOT / "actors/README.md", "bank.py"))
    spec = importlib.util.spec_from_file_location("bank_page", path)
    assert spec is not None
    assert spec.loader is not None
    bank: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bank)
    app: App = bank.app

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.call("Account", "ann", "move", 10)
            assert await client.execute("Transfer", "1", "ann", "bob", 7) == "bob has 7"
            refused = await client.execute("Transfer", "2", "ann", "bob", 7)
            assert refused == "move of Account/ann failed: Rejected: insufficient funds"
            await world.until(lambda: not any(p.outbox for p in world.store.log.partitions))
            assert sorted(await client.query("Ledger", "2026", "lines")) == ["ann +10", "ann -7", "bob +7"]
        await world.stop_all()

    simulate(story, app)
