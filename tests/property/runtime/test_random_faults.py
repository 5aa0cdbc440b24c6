"""Several nodes and workers under random faults: deaths, stops, lost connections, stolen leases, outages, stalls,
duplicates. Each run is its seed: the same seed is the same run.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from runtime import Client
from runtime.transport.memory import MemoryBroker
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker
from tests.simulation.scenario import APP, OUTSIDE, RESULT, Account, Order, forget_outside
from tests.simulation.world import Hosted, NodeProcess, WorkerProcess, World, simulate

ORDERS, ACCOUNTS, DEPOSITS = 12, 5, 40
CHAOS = 40.0  # virtual seconds
WAIT = 400.0


class Chaos:
    """Does something bad every now and then."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world, self._chance = world, chance
        self.done: list[str] = []
        for _ in range(3):
            world.node()
        for _ in range(2):
            world.worker()

    async def run(self) -> None:
        """Rage, then heal."""
        world, chance = self._world, self._chance
        faults = (self._kill, self._kill, self._stop, self._drop, self._steal, self._outage, self._stall, self._lose)
        while world.elapsed < CHAOS:
            await asyncio.sleep(chance.uniform(0.05, 2.0))
            fault = chance.choice(faults)
            self.done.append(fault.__name__)
            await fault()
        if not self._living(NodeProcess):
            world.node()
        if not self._living(WorkerProcess):
            world.worker()

    def _living(self, kind: type[Hosted]) -> list[Hosted]:
        return [
            p for p in self._world.processes
            if isinstance(p, kind) and not p.dead and not p.main.done() and not p.stop_asked.is_set()
        ]  # fmt: skip

    def _someone(self) -> Hosted | None:
        living = self._living(Hosted)
        return self._chance.choice(living) if living else None

    def _another(self, gone: Hosted) -> None:
        if isinstance(gone, NodeProcess):
            self._world.node(name=gone.name if self._chance.random() < 0.3 and gone.dead else "")
        else:
            self._world.worker()

    async def _kill(self) -> None:
        if (victim := self._someone()) is not None:
            victim.die()
            await asyncio.sleep(self._chance.choice([0, 0, 1.0]))
            self._another(victim)

    async def _stop(self) -> None:
        if (victim := self._someone()) is not None:
            self._another(victim)
            await victim.stop()

    async def _drop(self) -> None:
        if (victim := self._someone()) is not None:
            victim.transport.drop()

    async def _steal(self) -> None:
        partition = self._chance.choice(self._world.store.log.partitions)
        partition.owner, partition.epoch, partition.expires_at = None, partition.epoch + 1, None

    async def _outage(self) -> None:
        nodes = [node for node in self._living(NodeProcess) if isinstance(node, NodeProcess) and node.ready.is_set()]
        fate = self._chance.choice([Fate.NOT_DONE, Fate.ANSWER_LOST])
        for node in nodes:
            node.store.plan = node.leases.plan = lambda _: fate if self._chance.random() < 0.7 else Fate.GOOD
        await asyncio.sleep(self._chance.uniform(0.1, 4.0))
        for node in nodes:
            node.store.plan = node.leases.plan = lambda _: Fate.GOOD

    async def _stall(self) -> None:
        self._world.stand_still(self._chance.uniform(0.1, 3.0))

    async def _lose(self) -> None:
        if (victim := self._someone()) is not None:
            fate = self._chance.choice([Fate.NOT_DONE, Fate.ANSWER_LOST])
            victim.transport.plan = lambda _: fate if self._chance.random() < 0.5 else Fate.GOOD
            await asyncio.sleep(self._chance.uniform(0.1, 3.0))
            victim.transport.plan = lambda _: Fate.GOOD


async def _use(world: World, client: Client, chance: random.Random) -> None:
    async def order(number: int) -> None:
        await asyncio.sleep(chance.uniform(0, CHAOS))
        await client.start(Order, f"{number}", "tea", timeout=WAIT)
        reply = await client.call(Order, f"{number}", "approve", "ann", command_id=f"approve {number}", timeout=WAIT)
        assert reply == "approved by ann"
        assert await client.result(Order, f"{number}", timeout=WAIT) == RESULT

    async def deposit(number: int) -> None:
        await asyncio.sleep(chance.uniform(0, CHAOS))
        account, id = f"{number % ACCOUNTS}", f"deposit {number}"
        if number % 3:
            answer = await client.call(Account, account, "deposit", 1, command_id=id, timeout=WAIT)
            assert await client.query(Account, account, "balance", timeout=WAIT) >= answer
        else:
            await client.send(Account, account, "deposit", 1, command_id=id, timeout=WAIT)

    async with asyncio.TaskGroup() as group:
        for number in range(ORDERS):
            group.create_task(order(number))
        for number in range(DEPOSITS):
            group.create_task(deposit(number))


def _run(seed: int) -> None:
    chance = random.Random(seed)
    forget_outside()
    broker = RepeatingBroker() if seed % 4 == 0 else MemoryBroker()

    async def story(world: World) -> None:
        chaos = Chaos(world, chance)
        async with world.client() as client:
            raging = asyncio.ensure_future(chaos.run())
            await _use(world, client, chance)
            await raging
            deposited = [f"Account/{n}" for n in range(ACCOUNTS)]
            await world.until(
                lambda: all(len(types_of(world.store, s)) == DEPOSITS // ACCOUNTS for s in deposited), seconds=60
            )
            for number in range(ACCOUNTS):
                assert await client.query(Account, f"{number}", "balance", timeout=WAIT) == DEPOSITS // ACCOUNTS
            await world.until(
                lambda: not any(p.outbox or p.timers for p in world.store.log.partitions), seconds=200, what="at rest"
            )
            living = {node.name for node in world.processes if isinstance(node, NodeProcess) and not node.dead}
            await world.until(lambda: set(world.owners()) <= living, what="the leases of the dead run out")
        await world.stop_all()
        audit_log(world.store, APP)
        audit_rest(world.store, world.broker, APP.task_queues)
        assert OUTSIDE.effects == {
            f"Order/{n}#{task}": f"{what} tea"
            for n in range(ORDERS)
            for task, what in enumerate(("reserve", "price", "stamp", "message"), 1)
        }

    simulate(story, APP, broker=broker, partitions=4, sweep_after=10.0, idle=3.0, within=1500.0)


SEEDS = range(int(os.environ.get("PERDURE_SEEDS", "24")))


@pytest.mark.parametrize("seed", SEEDS)
def test_random_faults_lose_and_double_nothing(seed: int) -> None:
    """Every order ends once with its right result, every deposit counts once, and nothing is left to do."""
    _run(seed)
