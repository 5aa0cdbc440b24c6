"""Every message comes twice, every commit's answer is lost, commits fail, confirms are lost: the story ends the same."""

from __future__ import annotations

import pytest

from tests.simulation.calls_scenario import CALLS
from tests.simulation.corrections_scenario import CORRECTED
from tests.simulation.crash_story import run_scenario
from tests.simulation.desk_scenario import DESK
from tests.simulation.faults import Fate, RepeatingBroker, every, nth
from tests.simulation.forms_scenario import FORMS
from tests.simulation.scenario import CHILDREN, LONG, Scenario

STORIES = pytest.mark.parametrize(
    "story",
    [LONG, CHILDREN, CALLS, FORMS, DESK, CORRECTED],
    ids=["long", "children", "calls", "forms", "desk", "corrected"],
)


@STORIES
def test_every_message_comes_twice(story: Scenario) -> None:
    """Commands, tasks, outcomes and replies may all be delivered twice."""
    run_scenario(story, broker=RepeatingBroker())


@STORIES
@pytest.mark.parametrize("first", [0, 1])
def test_every_commit_loses_its_answer(story: Scenario, first: int) -> None:
    """A commit whose answer never came was done all the same: every second one here, the others there."""
    run_scenario(story, plan=every(2, Fate.ANSWER_LOST, "commit", first=first))


@STORIES
@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("method", ["commit", "load", "outbox", "timers", "unfinished"])
def test_the_store_fails_now_and_then(story: Scenario, method: str, step: int) -> None:
    """What was not done is done again."""
    run_scenario(story, plan=every(step, Fate.NOT_DONE, method))


@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
@pytest.mark.parametrize("step", [3, 4])
def test_leases_fail_now_and_then(step: int, fate: Fate) -> None:
    """A beat or a release that failed or lost its answer leaves no partition without an owner, once the node is up."""
    run_scenario(plan=every(step, fate, "beat", "claim", "release", "leave"))


@STORIES
@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
@pytest.mark.parametrize("step", [2, 3])
def test_publishes_are_unknown_now_and_then(story: Scenario, step: int, fate: Fate) -> None:
    """Tasks and outcomes whose confirm never came are published again, and count once."""
    run_scenario(story, plan=every(step, fate, "publish"), worker_plan=every(step, fate, "publish"))


@STORIES
@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
@pytest.mark.parametrize("method", ["commit", "load", "publish", "beat"])
def test_each_call_may_fail_once(story: Scenario, method: str, fate: Fate) -> None:
    """There is no single call whose failure matters; but a node whose very first beat fails says so and ends."""
    for number in range(2, 26, 3):
        run_scenario(story, plan=nth(method, number, fate))
