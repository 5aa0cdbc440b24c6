"""The page on commands between actors, and on async commands, does what it says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from actors import App
from runtime import CommandFailed
from tests.acceptance.docs.pages import ROOT, python_file
from tests.simulation.world import World, simulate

PAGES = {"bank.py": "between.md", "desk.py": "async-commands.md"}


def app_of(name: str, folder: Path) -> App:
    """Import one of the page's files."""
    path = folder / name
    path.write_text(python_file(ROOT / "actors" / PAGES[name], name))
    spec = importlib.util.spec_from_file_location(f"page_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # annotations are read there
    spec.loader.exec_module(module)
    app: App = module.app
    return app


def test_the_page_s_desk(tmp_path: Path) -> None:
    """What is emitted stays, also when the command fails."""
    app = app_of("desk.py", tmp_path)

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            assert await client.call("Border", "north", "show", "P-1") == "welcome"
            with pytest.raises(CommandFailed, match="not valid"):
                await client.call("Border", "north", "show", "X-2")
            assert await client.query("Border", "north", "seen") == {"P-1": True, "X-2": False}
        await world.stop_all()

    simulate(story, app)


def test_the_page_s_bank(tmp_path: Path) -> None:
    """A transfer that works, one that is refused, and a ledger that was told of both moves."""
    app = app_of("bank.py", tmp_path)

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
