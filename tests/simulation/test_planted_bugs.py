"""The tests of this folder are worth something: each bug that is planted here is found by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from actors import Nondeterminism
from runtime import PerdureError
from runtime.hosting.activation import Activation
from runtime.hosting.entity import EntityBehaviour
from runtime.hosting.host import PartitionHost
from runtime.hosting.outbox import Outbox
from runtime.worker import Worker
from tests.simulation.crash_story import run_scenario
from tests.simulation.faults import RepeatingBroker
from tests.simulation.scenario import SHORT
from tests.simulation.test_kill_at_every_await import SECONDS

Patch = pytest.MonkeyPatch


def _ack_before_the_commit(patch: Patch) -> None:
    submit = Activation._submit

    def planted(self: Activation, step: Any, item: Any) -> None:
        if item.delivery is not None and item.subscription is not None:
            item.subscription.ack(item.delivery)
        submit(self, step, item)

    patch.setattr(Activation, "_submit", planted)


def _never_sweep(patch: Patch) -> None:
    async def no_sweep(*_: Any) -> None: ...

    patch.setattr(Outbox, "sweep", no_sweep)


def _forget_the_inbox(patch: Patch) -> None:
    commit = EntityBehaviour._commit

    def planted(self: EntityBehaviour, *arguments: Any) -> Any:
        made = commit(self, *arguments)
        made.inbox = []
        return made

    patch.setattr(EntityBehaviour, "_commit", planted)


def _never_recover(patch: Patch) -> None:
    async def only_sweep(self: PartitionHost) -> None:
        await self.sweep()

    patch.setattr(PartitionHost, "recover", only_sweep)


def _ack_a_task_before_its_outcome_is_out(patch: Patch) -> None:
    work = Worker._work

    async def planted(self: Worker, message: Any, delivery: Any, subscription: Any) -> None:
        subscription.ack(delivery)
        await work(self, message, delivery, subscription)

    patch.setattr(Worker, "_work", planted)


def _kill_nodes_at_every_step() -> None:
    step = 1
    while run_scenario(SHORT, node_dies_at=step, seconds=SECONDS)[0] >= step:
        step += 1


def _kill_workers_at_every_step() -> None:
    step = 1
    while run_scenario(SHORT, worker_dies_at=step, seconds=SECONDS)[1] >= step:
        step += 1


def _kill_nodes_in_the_long_story() -> None:
    for step in range(40, 200):
        run_scenario(node_dies_at=step, seconds=SECONDS)


@pytest.mark.parametrize(
    ("plant", "look"),
    [
        (_ack_before_the_commit, _kill_nodes_at_every_step),
        (_never_sweep, _kill_nodes_at_every_step),
        (_forget_the_inbox, lambda: run_scenario(broker=RepeatingBroker())),
        (_never_recover, _kill_nodes_in_the_long_story),
        (_ack_a_task_before_its_outcome_is_out, _kill_workers_at_every_step),
    ],
    ids=lambda case: case.__name__.strip("_"),
)
def test_a_planted_bug_is_found(plant: Callable[[Patch], None], look: Callable[[], None], monkeypatch: Patch) -> None:
    """Without it the same look finds nothing (see the other files)."""
    plant(monkeypatch)
    with pytest.raises((AssertionError, PerdureError, Nondeterminism)):
        look()
