"""The page about schedules: its examples run, and say what the page says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from tests.acceptance.docs.conftest import Shell
from tests.acceptance.docs.examples import imported
from tests.acceptance.docs.pages import ROOT, python_file, shell_block
from tests.simulation.world import World, simulate

pytestmark = pytest.mark.timeout(120)

PAGE = ROOT / "runtime" / "schedules" / "README.md"


def test_every_night() -> None:
    """One by hand, three nights filled in, and the next ones in Berlin's time."""
    with imported(PAGE, "nightly.py") as nightly, imported(PAGE, "every_night.py") as every_night:

        async def story(world: World) -> None:
            world.node()
            world.worker()
            async with world.client() as client:
                by_hand, filled, *following = await every_night.every_night(client)
                assert re.fullmatch(r"nightly-.*Z-trigger", by_hand)
                assert filled == "3 nights"
                assert [time[11:] for time in following] == ["01:00:00+00:00"] * 3
                last = "nightly-2026-01-04T01:00:00Z"
                await world.until(lambda: f"Report/{last}" in world.store.log.streams)
                assert await client.result(nightly.Report, last) == "north on 2026-01-04"

        simulate(story, nightly.app)


async def test_its_commands(shell: Shell, fresh_database: Callable[[], Awaitable[str]]) -> None:
    """Each line of the page's shell, on a node and Postgres."""
    (shell.folder / "nightly.py").write_text(python_file(PAGE, "nightly.py"))
    shell.environment["PERDURE_DATABASE_URL"] = await fresh_database()
    shell.run("perdure migrate --app nightly:app")
    shell.start("perdure node nightly:app")
    said = [shell.run(line) for line in shell_block(PAGE, "perdure schedule next")]
    following, made, paused, triggered, filled, updated, unpaused, listed, shown, deleted = said
    assert re.fullmatch(r"(\S+ 02:00:00\+0[12]:00 Europe/Berlin\n){3}", following)
    assert made.startswith("made schedule weekdays\nnext: ")
    assert (paused, unpaused, deleted) == ("paused weekdays\n", "unpaused weekdays\n", "deleted weekdays\n")
    assert triggered.startswith("starts weekdays-")
    assert filled == "2 times: 0 started, 2 waiting, 0 skipped\n"
    assert updated == "updated weekdays\n"
    assert re.search(r"^weekdays +Report +0 2 \* \* MON-FRI +Europe/Berlin +running$", listed, re.MULTILINE)
    assert 'starts: Report {"region":"north"}' in shown
    assert "overlap: buffer_one" in shown
    assert shell.stop() == [0]
