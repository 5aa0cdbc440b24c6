"""`handle.terminate()`: a child that is ended at once, by its parent's code."""

from __future__ import annotations

import asyncio

from actors import App, ChildTerminated, Workflow
from actors.testing import WorkflowTest, crash_everywhere


class Slow(Workflow):
    """Takes an hour, and as long to clean up."""

    async def run(self) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(3600)


class Impatient(Workflow):
    """Asks a child to cancel, waits a minute for that, and then ends it."""

    async def run(self) -> list[str]:
        child = self.start_child(Slow, self.id)
        await asyncio.sleep(1)
        child.cancel("please")
        try:
            async with asyncio.timeout(60):
                await asyncio.shield(child)
        except TimeoutError:
            child.terminate("enough")
        try:
            await child
        except ChildTerminated as end:
            child.terminate("said when it has ended")
            return [end.type, end.message, str(self.now().minute)]
        return []


APP = App(actors=[Slow, Impatient])


def story(run: WorkflowTest) -> list[str]:
    ended: list[str] = run.start(Impatient, "1").result()
    assert run.get(Slow, "1").status == "terminated"
    return ended


def test_a_child_is_terminated_by_its_parent() -> None:
    """Also one that was asked to cancel before, and takes its time."""
    assert story(WorkflowTest(APP)) == [
        "ChildTerminated",
        "child Slow/1 failed: ChildTerminated: the run was terminated: enough",
        "1",
    ]


def test_crashes_change_nothing() -> None:
    """Before and after each step, and with every message twice."""
    crash_everywhere(APP, story)
