"""Makes the faults of a plan happen, and counts those that did."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aio_pika
import asyncpg

from runtime.servers import PrivatePostgres, PrivateRabbitMQ
from runtime.servers.process import descendants, send
from tests.faults.crew import Seat
from tests.faults.plan import LEASE, Fault, Kind
from tests.faults.proxy import Proxy
from tests.faults.stage import Stage

QUEUES = ("perdure.tasks.bank", "perdure.tasks.notes")
_UP_PATIENCE = 30.0  # seconds to wait for a process that can be stopped
_ANSWER_PATIENCE = 6.0  # seconds to wait for traffic on a link
_ALARM = """
    application:set_env(rabbit, memory_monitor_interval, 2500),
    Old = vm_memory_monitor:get_vm_memory_high_watermark(),
    vm_memory_monitor:set_vm_memory_high_watermark({absolute, 1}),
    timer:sleep(SECONDS),
    Alarms = rabbit_alarm:get_alarms(),
    vm_memory_monitor:set_vm_memory_high_watermark(Old),
    length(Alarms).
"""
_BACKENDS = """
SELECT pid FROM pg_stat_activity WHERE application_name = 'perdure' AND pid <> pg_backend_pid() ORDER BY backend_start
"""

T = TypeVar("T")


class Saboteur:
    """`apply` one fault; `seen` counts what really happened."""

    def __init__(self, stage: Stage) -> None:
        self.seen: Counter[Kind] = Counter()
        self._stage = stage
        self._server_turn = asyncio.Lock()  # a server is not killed while another is on its way up
        # No entry for cancellations: the clients cancel their calls themselves.
        self._makers: dict[Kind, Callable[[Fault], Awaitable[object]]] = {
            Kind.NODE_KILL: lambda fault: self._kill(fault, stage.nodes),
            Kind.WORKER_KILL: lambda fault: self._kill(fault, stage.workers),
            Kind.NODE_STOP: lambda fault: self._stop(fault, stage.nodes, LEASE * (1.4 + 1.6 * fault.grade)),
            Kind.WORKER_STOP: lambda fault: self._stop(fault, stage.workers, 3 + 9 * fault.grade),
            Kind.BROKER_STOP: lambda fault: self._stop_server(fault, stage.rabbitmq),
            Kind.POSTGRES_STOP: lambda fault: self._stop_server(fault, stage.postgres),
            Kind.BROKER_KILL: lambda _: self.kill_broker(),
            Kind.POSTGRES_KILL: lambda _: self.kill_postgres(),
            Kind.EVERYTHING: lambda _: self._everything(),
            Kind.LOST_ANSWER: self._lose,
            Kind.CUT: self._lose,
            Kind.RESET: self._reset,
            Kind.BLACK_HOLE: self._slow,
            Kind.DELAY: self._slow,
            Kind.MEMORY_ALARM: lambda fault: self._memory_alarm(2 + 2 * fault.grade),
            Kind.PURGE: lambda _: self.purge(),
            Kind.TERMINATED: self._terminate,
        }

    async def apply(self, fault: Fault) -> None:
        """Make a fault happen, to its end."""
        await self._makers[fault.kind](fault)

    async def kill_broker(self) -> float:
        """SIGKILL RabbitMQ and start it on the same data; gives the moment of the kill."""
        return await self._kill_server(self._stage.rabbitmq, Kind.BROKER_KILL)

    async def kill_postgres(self) -> float:
        """SIGKILL Postgres and start it on the same data; gives the moment of the kill."""
        return await self._kill_server(self._stage.postgres, Kind.POSTGRES_KILL)

    async def _kill_server(self, server: PrivatePostgres | PrivateRabbitMQ, kind: Kind) -> float:
        async with self._server_turn:
            at = asyncio.get_running_loop().time()
            await server.kill()
            self._count(kind, happened=True)
            await server.start()
            return at

    async def _everything(self) -> None:
        stage = self._stage
        async with self._server_turn:
            killed = {
                Kind.NODE_KILL: [seat.kill() for seat in stage.nodes],
                Kind.WORKER_KILL: [seat.kill() for seat in stage.workers],
            }
            for link in stage.links:
                link.reset()
            await asyncio.gather(stage.rabbitmq.kill(), stage.postgres.kill())
            for kind, each in killed.items():
                self.seen[kind] += sum(each)
            self.seen.update([Kind.BROKER_KILL, Kind.POSTGRES_KILL, Kind.EVERYTHING])
            await asyncio.gather(stage.rabbitmq.start(), stage.postgres.start())

    async def _kill(self, fault: Fault, seats: list[Seat]) -> None:
        up = [seat for seat in seats if seat.up.is_set() and not seat.stopped]
        seat = _choose(up or seats, fault.pick)
        self._count(fault.kind, happened=seat is not None and seat.kill())

    async def _stop(self, fault: Fault, seats: list[Seat], seconds: float) -> None:
        """SIGSTOP a process for so long; it does not count when it was killed meanwhile."""
        deadline = asyncio.get_running_loop().time() + _UP_PATIENCE
        while not (up := [seat for seat in seats if seat.up.is_set() and not seat.stopped]):
            if asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.2)
        seat = _choose(up, fault.pick)
        if seat is not None and seat.freeze():
            await asyncio.sleep(seconds)
            self._count(fault.kind, happened=seat.thaw())

    async def _stop_server(self, fault: Fault, server: PrivatePostgres | PrivateRabbitMQ) -> None:
        """SIGSTOP a server with all of its processes: its connections stay open, and nobody answers."""
        async with self._server_turn:
            if (pid := server.pid) is None:
                return
            pids = [pid, *descendants(pid)]
            try:
                for each in pids:
                    send(each, signal.SIGSTOP)
                self._count(fault.kind, happened=True)
                await asyncio.sleep(3 + 5 * fault.grade)
            finally:
                for each in pids:
                    send(each, signal.SIGCONT)

    async def _reset(self, fault: Fault) -> None:
        self._count(fault.kind, happened=bool(self._used_link(fault.pick).reset()))

    async def _lose(self, fault: Fault) -> None:
        for attempt in range(3):  # a link may just be silent
            link = self._used_link((fault.pick + attempt * 0.37) % 1)
            if fault.kind is Kind.LOST_ANSWER:
                happened = await link.lose_answer(_ANSWER_PATIENCE)
            else:
                happened = await link.cut_after(int(4_000 * fault.grade), _ANSWER_PATIENCE)
            if happened:
                self._count(fault.kind, happened=True)
                return

    async def _slow(self, fault: Fault) -> None:
        link = self._used_link(fault.pick)
        if fault.kind is Kind.BLACK_HOLE:
            happened, seconds = link.black_hole(), 2 + 7 * fault.grade
        else:
            link.delay(0.02 + 0.2 * fault.grade)
            happened, seconds = bool(link.connections), 5.0
        self._count(fault.kind, happened=happened)
        await asyncio.sleep(seconds)
        link.heal()

    async def _memory_alarm(self, seconds: float) -> None:
        async with self._server_turn:
            expression = " ".join(_ALARM.split()).replace("SECONDS", str(int(seconds * 1000)))
            self._count(
                Kind.MEMORY_ALARM, happened=(await self._stage.rabbitmq.control.evaluate(expression)).strip() != "0"
            )

    async def purge(self) -> None:
        """Stop the workers until tasks have gathered, and throw those away."""
        async with self._server_turn:
            workers = [seat for seat in self._stage.workers if seat.freeze()]
            try:
                connection = await aio_pika.connect(self._stage.broker, timeout=10)
                async with connection:
                    channel = await connection.channel()
                    purged = 0
                    for _ in range(40):
                        await asyncio.sleep(0.1)
                        for name in QUEUES:
                            queue = await channel.get_queue(name, ensure=False)
                            purged += (await queue.purge()).message_count or 0
                        if purged:
                            break
            finally:
                for seat in workers:
                    seat.thaw()
            self._count(Kind.PURGE, happened=bool(purged))

    async def _terminate(self, fault: Fault) -> None:
        try:
            connection = await asyncpg.connect(self._stage.database, timeout=10)
        except (OSError, asyncpg.PostgresError):
            return  # it is just being killed
        try:
            pids = [row["pid"] for row in await connection.fetch(_BACKENDS)]
            victim = _choose(pids, fault.pick)
            ended = victim is not None and await connection.fetchval("SELECT pg_terminate_backend($1)", victim)
            self._count(Kind.TERMINATED, happened=bool(ended))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        finally:
            connection.terminate()

    def _used_link(self, pick: float) -> Proxy:
        links = [link for link in self._stage.links if link.connections] or self._stage.links
        return links[int(pick * len(links))]

    def _count(self, kind: Kind, *, happened: bool) -> None:
        self.seen[kind] += happened


def _choose(items: Sequence[T], pick: float) -> T | None:
    return items[int(pick * len(items))] if items else None
