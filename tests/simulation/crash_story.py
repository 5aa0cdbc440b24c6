"""A scenario with faults, as the tests of this folder tell it, and what must be true at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from runtime.transport.memory import MemoryBroker
from tests.simulation.audit import audit_log, audit_rest
from tests.simulation.audit_calls import audit_calls
from tests.simulation.audit_families import audit_families
from tests.simulation.faults import Plan, all_good
from tests.simulation.journals import Journals
from tests.simulation.scenario import LONG, Scenario, forget_outside
from tests.simulation.world import Hosted, World, simulate

SETTINGS: dict[str, Any] = {"idle": 3.0}


def run_scenario(
    scenario: Scenario = LONG,
    *,
    node_dies_at: int | None = None,
    worker_dies_at: int | None = None,
    plan: Plan = all_good,
    worker_plan: Plan = all_good,
    broker: MemoryBroker | None = None,
    seconds: float = 400.0,
    companion: bool = False,
    companion_dies_at: int | None = None,
) -> tuple[int, int]:
    """Tell a scenario; gives the steps that the first node and the first worker took.

    Args:
        scenario: what is told.
        node_dies_at: the step before which the first node is killed; another one starts at once.
        worker_dies_at: the same for the first worker.
        plan: the fates of the first node's calls to the store and the broker.
        worker_plan: the fates of the first worker's calls to the broker.
        broker: None: one that does no harm.
        companion: whether another node has half of the partitions from the beginning.
        companion_dies_at: the step before which that one is killed; another one starts at once.
        seconds: of virtual time, that the story may take: what was interrupted has to be noticed, not to be stumbled over.
    """
    forget_outside()

    async def story(world: World) -> tuple[int, int]:
        node = world.node(die_at=node_dies_at, plan=plan)
        worker = world.worker(die_at=worker_dies_at, plan=worker_plan)
        revivals: list[asyncio.Future[None]] = [
            asyncio.ensure_future(_revive(node, world.node)),
            asyncio.ensure_future(_revive(worker, world.worker)),
        ]
        if companion:
            other = world.node(die_at=companion_dies_at)
            await world.served(node, other)
            revivals.append(asyncio.ensure_future(_revive(other, world.node)))
        async with world.client() as client:
            await scenario.tell(world, client)
            await world.until(lambda: _at_rest(world), seconds=100, what="nothing left to do")
        assert world.elapsed < seconds, f"it took {world.elapsed:.1f} virtual seconds"
        await world.stop_all()
        await _clean_up(world)
        for revival in revivals:
            revival.cancel()
        audit_log(world.store, scenario.app)
        audit_rest(world.store, world.broker, scenario.app.task_queues)
        journals = Journals(world.store)
        audit_calls(journals)
        audit_families(journals, world.now().timestamp())
        scenario.check(world)
        return node.steps, worker.steps

    return simulate(story, scenario.app, broker=broker, sweep_after=scenario.sweep_after, **SETTINGS)


async def _revive(process: Hosted, start: Callable[[], Hosted]) -> None:
    await process.died.wait()
    start()


def _at_rest(world: World) -> bool:
    return all(not p.outbox and not p.timers for p in world.store.log.partitions)


async def _clean_up(world: World) -> None:
    """Where a node died while it stopped, let the next one take over and stop in order."""
    if not any(process.dead for process in world.processes) or not any(world.owners()):
        return
    last = next((p for p in world.processes if not p.dead and not p.main.done()), None) or world.node()
    await last.ready.wait()
    await world.until(lambda: set(world.owners()) <= {last.name, None}, what="the dead node's leases run out")
    await last.stop()
