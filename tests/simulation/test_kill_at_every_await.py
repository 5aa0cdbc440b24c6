"""A node or a worker dies at each of its awaits in turn, and every time the story must end the same, and soon."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulation.calls_scenario import CALLS
from tests.simulation.corrections_scenario import CORRECTED
from tests.simulation.crash_story import run_scenario
from tests.simulation.desk_scenario import DESK
from tests.simulation.forms_scenario import FORMS
from tests.simulation.scenario import CHILDREN, LONG, ROUNDS, SHORT, Scenario

PARTS = 4
SECONDS = 15.0  # for a lease to run out, and a client to ask again; no sweep is that soon

pytestmark = pytest.mark.timeout(600)


def _kill_nodes(scenario: Scenario, first: int, stride: int, seconds: float = SECONDS) -> int:
    """Tell the scenario until it ends before the node's death; gives how many nodes died."""
    died = 0
    while run_scenario(scenario, node_dies_at=first + died * stride, seconds=seconds)[0] >= first + died * stride:
        died += 1
    return died


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_every_await_of_a_command_and_a_task(part: int) -> None:
    """No step of a command's and a task's life is one at which a kill loses or doubles anything."""
    assert _kill_nodes(SHORT, 1 + part, PARTS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_a_long_life(part: int) -> None:
    """Nor of parallel, local and retried tasks, timers, commands, queries, rejections, and the orderly stop."""
    assert _kill_nodes(LONG, 1 + part, PARTS) > 40


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_a_parent_and_its_children(part: int) -> None:
    """Nor of a child's start, its end, a conflict, and the news of each."""
    assert _kill_nodes(CHILDREN, 1 + part, PARTS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_commands_between_actors(part: int) -> None:
    """Nor of a command's way to another actor, its answer, its receipt and its refusal; and their order is kept."""
    assert _kill_nodes(CALLS, 1 + part, PARTS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_a_workflow_that_starts_over(part: int) -> None:
    """Nor of the runs that follow each other in one stream, and of commands that one of them has handled."""
    assert _kill_nodes(ROUNDS, 1 + part, PARTS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_commands_in_their_other_forms(part: int) -> None:
    """Nor of a command with its start, for later, or that is refused before it is recorded; and of promises."""
    assert _kill_nodes(FORMS, 1 + part, PARTS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_an_actor_whose_commands_wait(part: int) -> None:
    """Nor of a command that is carried out step by step, of those that wait behind it, and of its snapshots."""
    assert _kill_nodes(DESK, 1 + part, PARTS, seconds=2 * SECONDS) > 20


@pytest.mark.parametrize("part", range(PARTS))
def test_a_node_may_die_at_any_await_of_corrections(part: int) -> None:
    """Nor of what is done by hand: each is done once, however often it is asked for."""
    assert _kill_nodes(CORRECTED, 1 + part, 4 * PARTS, seconds=3 * SECONDS) > 20


@pytest.mark.parametrize("who", ["node_dies_at", "companion_dies_at"])
@pytest.mark.parametrize("part", range(PARTS))
def test_either_node_may_die_where_parent_and_child_live_apart(who: str, part: int) -> None:
    """Each of two nodes has one partition; one of them dies, and the other hears of what it did all the same."""
    for step in range(40 + part, 240, PARTS):
        deaths: dict[str, Any] = {who: step}
        run_scenario(CHILDREN, companion=True, seconds=SECONDS, **deaths)
        run_scenario(CALLS, companion=True, seconds=SECONDS, **deaths)


@pytest.mark.parametrize("scenario", [SHORT, LONG], ids=["short", "long"])
def test_a_worker_may_die_at_every_await(scenario: Scenario) -> None:
    """A task whose worker dies is run by another one, and recorded once."""
    step = 1
    while run_scenario(scenario, worker_dies_at=step, seconds=SECONDS)[1] >= step:
        step += 1
    assert step > 8


@pytest.mark.parametrize("step", range(20, 200, 20))
def test_node_and_worker_may_die_in_one_story(step: int) -> None:
    """Two deaths are no worse than one."""
    run_scenario(LONG, node_dies_at=step, worker_dies_at=5 + step // 12, seconds=SECONDS)
