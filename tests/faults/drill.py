"""One fault at a time, and how long each partition was without a new commit: the recovery that is promised."""

from __future__ import annotations

import asyncio

from msgspec import Struct

from tests.faults.faults import Saboteur
from tests.faults.journal import Saw, Tail
from tests.faults.plan import LEASE, Kind
from tests.faults.stage import PARTITIONS, Stage

NODE_BOUND, BROKER_BOUND, POSTGRES_BOUND = LEASE + 5.0, 12.0, 10.0  # seconds
_LOOK = 0.05
_PATIENCE = 90.0  # after which a partition is taken for dead


class Recovery(Struct, frozen=True):
    """What a drill measured, in seconds: `by_partition` from the moment from which the promise counts."""

    drill: str
    bound: float
    by_partition: list[float]
    server_back: float = 0.0  # from the kill until the server itself worked again, which is not counted

    @property
    def worst(self) -> float:
        """The slowest partition's."""
        return max(self.by_partition)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept on every partition."""
        return self.worst <= self.bound


class Stalled(Exception):
    """A partition made no progress."""


class Drills:
    """Runs drills with the help of a prober and of the observer's journal."""

    def __init__(self, stage: Stage, saboteur: Saboteur) -> None:
        self._stage, self._saboteur = stage, saboteur
        self._tail: Tail = stage.tail("observer")
        self._number = 0

    async def progress(self, name: str) -> float:
        """Require a new commit on every partition; gives the seconds that took. Raises `Stalled`."""
        since = asyncio.get_running_loop().time()
        return max(await self._seen_everywhere(name, since))

    async def all(self) -> list[Recovery]:
        """Run every drill, each on a system at rest from the one before."""
        found = []
        for drill in (self.node_killed, self.node_stopped, self.broker_killed, self.postgres_killed):
            await self._calm()
            found.append(await drill())
        await self._calm()
        return found

    async def node_killed(self) -> Recovery:
        """SIGKILL a node, and start none in its place until others have taken over."""
        victim = self._stage.nodes[0]
        victim.may_start.clear()
        since = asyncio.get_running_loop().time()
        self._saboteur.seen[Kind.NODE_KILL] += victim.kill()
        times = await self._seen_everywhere("node killed", since)
        victim.may_start.set()
        return Recovery("node SIGKILL", NODE_BOUND, times)

    async def node_stopped(self) -> Recovery:
        """SIGSTOP a node until others have taken over, and for longer than its lease."""
        victim = self._stage.nodes[1]
        since = asyncio.get_running_loop().time()
        stopped = victim.freeze()
        try:
            times, _ = await asyncio.gather(self._seen_everywhere("node stopped", since), asyncio.sleep(LEASE * 1.5))
        finally:
            self._saboteur.seen[Kind.NODE_STOP] += stopped and victim.thaw()
        return Recovery("node SIGSTOP", NODE_BOUND, times)

    async def broker_killed(self) -> Recovery:
        """SIGKILL RabbitMQ and start it at once."""
        return await self._server("RabbitMQ SIGKILL", BROKER_BOUND, broker=True)

    async def postgres_killed(self) -> Recovery:
        """SIGKILL Postgres and start it at once."""
        return await self._server("Postgres SIGKILL", POSTGRES_BOUND, broker=False)

    async def _server(self, drill: str, bound: float, *, broker: bool) -> Recovery:
        kill = self._saboteur.kill_broker if broker else self._saboteur.kill_postgres
        since = await kill()
        back = asyncio.get_running_loop().time()
        times = await self._seen_everywhere(drill, back)
        return Recovery(drill, bound, times, server_back=round(back - since, 2))

    async def _calm(self) -> None:
        await self._stage.up(self._stage.seats)
        await asyncio.sleep(LEASE)  # partitions find their fair share again
        await self.progress("calm")

    async def _seen_everywhere(self, name: str, since: float) -> list[float]:
        """Give for each partition when the observer saw the first effect of a probe of this drill, in seconds after `since`."""
        self._number += 1
        drill = f"{self._number} {name}"
        self._stage.prober.begin(drill)
        found: dict[int, float] = {}
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        try:
            while len(found) < PARTITIONS:
                self._stage.check()
                for entry in self._tail.new():
                    if entry.saw is Saw.EVENT and entry.id.startswith(f"probe:{drill}:"):
                        found.setdefault(entry.note[0], round(entry.at - since, 2))
                if asyncio.get_running_loop().time() > deadline:
                    silent = sorted(set(range(PARTITIONS)) - found.keys())
                    raise Stalled(f"{name}: no progress on partitions {silent} within {_PATIENCE:g} s")
                await asyncio.sleep(_LOOK)
        finally:
            self._stage.prober.end()
        return [found[partition] for partition in range(PARTITIONS)]
