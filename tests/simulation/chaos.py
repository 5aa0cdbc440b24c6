"""The faults that come from outside: processes, servers, queues, leases and the clock. And the healing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.simulation.installation import Installation
from tests.simulation.network import later
from tests.simulation.tasks import Mistake
from tests.simulation.weather import Fault
from tests.simulation.world import Hosted, NodeProcess, WorkerProcess


class Chaos:
    """Does what the plot says goes wrong."""

    def __init__(self, installation: Installation) -> None:
        self._in, self._weather = installation, installation.weather
        self._chance = installation.weather.chance
        self._acts: dict[Fault, Callable[[], None]] = {
            Fault.NODE_KILLED: lambda: self._kill(Fault.NODE_KILLED, NodeProcess),
            Fault.WORKER_KILLED: lambda: self._kill(Fault.WORKER_KILLED, WorkerProcess),
            Fault.ALL_KILLED: self._kill_all,
            Fault.NODE_STOPPED: lambda: self._stop(Fault.NODE_STOPPED, NodeProcess),
            Fault.WORKER_STOPPED: lambda: self._stop(Fault.WORKER_STOPPED, WorkerProcess),
            Fault.NODE_ENDED: lambda: self._end(Fault.NODE_ENDED, NodeProcess),
            Fault.WORKER_ENDED: lambda: self._end(Fault.WORKER_ENDED, WorkerProcess),
            Fault.CONNECTION_LOST: self._disconnect,
            Fault.BROKER_DOWN: self._break_broker,
            Fault.STORE_DOWN: self._break_store,
            Fault.LEASE_STOLEN: self._steal,
            Fault.MACHINE_ASLEEP: self._sleep,
            Fault.QUEUE_PURGED: self._purge,
            Fault.QUEUE_DELETED: self._delete,
        }

    async def run(self) -> None:
        """Let everything go wrong that the plot wants, then heal."""
        installation = self._in
        for at, fault in installation.plot.events:
            await asyncio.sleep(max(0.0, at - installation.elapsed))
            self._acts[fault]()
        await asyncio.sleep(max(0.0, installation.plot.seconds - installation.elapsed))
        self._heal()

    def _heal(self) -> None:
        self._weather.clear_up()
        for process in self._in.processes:
            process.die_at = process.stop_at = None
            process.go_on()
        for name in self._in.queues:
            self._in.broker.declare(name)
        self._in.replace_former()
        Mistake.is_there = False
        self._in.tell("all is well again")

    def _someone(self, *kinds: type[Hosted]) -> Hosted | None:
        living = self._in.living(*kinds)
        return self._chance.choice(living) if living else None

    def _kill(self, fault: Fault, kind: type[Hosted]) -> None:
        victim = self._someone(kind)
        if victim is not None and victim.die_at is None:
            victim.on_death.append(lambda: self._in.happened(fault, victim.name))
            victim.die_at = victim.steps + self._chance.randint(1, 25 if kind is NodeProcess else 6)

    def _kill_all(self) -> None:
        self._in.happened(Fault.ALL_KILLED)
        for process in self._in.processes:
            if not process.main.done():
                process.die()

    def _stop(self, fault: Fault, kind: type[Hosted]) -> None:
        victim = self._someone(kind)
        if victim is None or victim.stop_at is not None:
            return
        seconds = self._in.settings.lease_ttl * self._chance.uniform(1.0, 3.5)

        def stopped() -> None:
            self._in.happened(fault, f"{victim.name} for {seconds:.3f} s")
            later(seconds, victim.go_on)

        victim.on_stop = stopped
        victim.stop_at = victim.steps + self._chance.randint(1, 25 if kind is NodeProcess else 6)

    def _end(self, fault: Fault, kind: type[Hosted]) -> None:
        victim = self._someone(kind)
        if victim is not None:
            self._in.happened(fault, victim.name)
            self._in.end(victim)

    def _disconnect(self) -> None:
        transport = self._chance.choice(self._in.broker.transports)
        self._in.happened(Fault.CONNECTION_LOST)
        transport.drop()

    def _break_broker(self) -> None:
        seconds = self._weather.delay()
        self._in.happened(Fault.BROKER_DOWN, f"for {seconds:.3f} s")
        self._weather.broker_down = True
        self._in.broker.drop_all()
        later(seconds, lambda: setattr(self._weather, "broker_down", False))

    def _break_store(self) -> None:
        seconds = self._weather.delay()
        self._in.happened(Fault.STORE_DOWN, f"for {seconds:.3f} s")
        self._weather.store_down = True
        later(seconds, lambda: setattr(self._weather, "store_down", False))

    def _steal(self) -> None:
        partition = self._chance.choice(self._in.store.log.partitions)
        self._in.happened(Fault.LEASE_STOLEN, f"of partition {partition.number}")
        partition.owner, partition.epoch, partition.expires_at = None, partition.epoch + 1, None

    def _sleep(self) -> None:
        seconds = self._weather.delay()
        self._in.happened(Fault.MACHINE_ASLEEP, f"for {seconds:.3f} s")
        self._in.jump(seconds)

    def _purge(self) -> None:
        name = self._chance.choice(self._in.queues)
        self._in.happened(Fault.QUEUE_PURGED, name)
        self._in.broker.purge(name)

    def _delete(self) -> None:
        name = self._chance.choice(self._in.queues)
        seconds = self._weather.delay()
        self._in.happened(Fault.QUEUE_DELETED, f"{name} for {seconds:.3f} s")
        self._in.broker.vanish(name)
        later(seconds, lambda: self._in.broker.declare(name))
