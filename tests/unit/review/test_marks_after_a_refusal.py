"""A mark that the store refuses for a reason of its own is not the last one."""

from __future__ import annotations

from typing import cast

from eventstore import Commit, EventStore, StoreError
from runtime.clock import Clock
from runtime.committer import Committer
from runtime.hosting.own_commits import OwnCommits
from runtime.hosting.schedule import Schedule


async def test_whoever_waits_for_a_commit_hears_of_every_end() -> None:
    """Such as an answer of the database that the store does not know: the mark is made anew, and not written again."""
    clock = Clock()
    committer = Committer(cast("EventStore", None), lambda: None)
    commits = OwnCommits(committer, clock, Schedule(clock), lambda _: None)
    heard: list[str] = []

    commits.submit(Commit(0, 1), lambda: heard.append("durable"), unknown=lambda: heard.append("unknown"))
    (unit,) = committer._pending
    unit.settle(StoreError("an error that the store does not know"))

    assert heard == ["unknown"]
