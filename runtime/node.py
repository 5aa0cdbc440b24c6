"""A node: a process that hosts actors. It joins leases, partitions, the store and the broker."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine
from datetime import timedelta

import structlog

from actors import App
from eventstore import EventStore, Lease, Leases, StoreError
from runtime.clock import Clock
from runtime.consuming import Handle, consume
from runtime.hosting.ground import Ground, Waiters
from runtime.hosting.host import PartitionHost
from runtime.hosting.service import PartitionService
from runtime.hosting.services import Services
from runtime.inbox_cleaner import clean_inbox
from runtime.lease_keeper import LeaseKeeper
from runtime.schedules import include_schedules
from runtime.settings import Settings
from runtime.stray_mail import StrayMail
from runtime.transport.port import Destination, Topology, Transport

FORWARD_PREFETCH = 200

log = structlog.get_logger("perdure.node")


class Node:
    """Hosts an app's actors on the partitions that it can get.

    `run` does everything; when `stop` is set it hands over its partitions and comes back. Cancelling `run` is like a
    crash: other nodes take over when the leases have run out.
    """

    def __init__(
        self,
        app: App,
        store: EventStore,
        leases: Leases,
        transport: Transport,
        settings: Settings,
        *,
        jitter: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self.name = settings.node_name or f"node-{new_id()[:12]}"
        include_schedules(app)
        self._app, self._store, self._transport, self._settings = app, store, transport, settings
        self._jitter = jitter
        self._clock = Clock()
        self._command_horizon = timedelta(days=settings.inbox_days)
        self._services = Services(app, store, transport, settings.sweep_after, new_id)
        self._serving: dict[int, tuple[PartitionService, asyncio.Task[None]]] = {}
        self._group: asyncio.TaskGroup | None = None
        self._keeper = LeaseKeeper(
            leases,
            self.name,
            settings.lease_ttl,
            self._clock,
            take=self._take,
            lose=self._lose,
            hand_over=self._hand_over,
            spawn=self._spawn,
        )

    @property
    def partitions(self) -> list[int]:
        """The partitions that it serves now."""
        return sorted(self._serving)

    @property
    def activations(self) -> int:
        """How many actors it holds in memory."""
        return sum(service.host.activations for service, _ in self._serving.values())

    async def run(self, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
        """Host until `stop` is set. `ready` is called when it has beaten for the first time.

        Raises:
            StoreError: the store could not be reached at the start.
            TransportError: the broker could not.
        """
        await self._transport.declare(Topology(self._store.partitions, self._app.task_queues))
        try:
            await self._host_until(stop, ready)
        finally:
            # Cancelled, or failed: coroutines that nobody ends run their clean-up code when they are collected, and
            # the tasks that it calls would really run, right here.
            for service, _ in self._serving.values():
                service.host.drop()
        log.info("node is down", node=self.name)

    async def _host_until(self, stop: asyncio.Event, ready: Callable[[], None] | None) -> None:
        mail = StrayMail(self._services, self._any_host)
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self._keeper.beat()
            duties = [
                group.create_task(duty, name=name)
                for name, duty in (
                    ("committer", self._services.committer.run()),
                    ("loader", self._services.loader.run()),
                    ("publisher", self._services.publisher.run()),
                    ("lease keeper", self._keeper.run()),
                    ("ingress", self._stray(Destination.INGRESS, mail.ingress)),
                    ("dead letters", self._stray(Destination.DEAD, mail.dead_letter)),
                    ("inbox cleaner", clean_inbox(self._store, self._command_horizon, self._jitter)),
                )
            ]
            log.info("node is up", node=self.name, partitions=self.partitions)
            if ready is not None:
                ready()
            await stop.wait()
            await self._shut_down(duties)

    def _stray(self, source: Destination, handle: Handle) -> Coroutine[None, None, None]:
        return consume(self._transport, source, prefetch=FORWARD_PREFETCH, handle=handle, jitter=self._jitter)

    # -- partitions come and go -----------------------------------------------------------------------------------

    def _take(self, lease: Lease) -> None:
        ground = Ground(
            app=self._app,
            clock=self._clock,
            partition=lease.partition,
            partitions=self._store.partitions,
            epoch=lease.epoch,
            waiters=Waiters(),
            jitter=self._jitter,
            command_horizon=self._command_horizon,
            lease_is_current=self._lease_is_current,
        )
        host = PartitionHost(self._services, ground)
        host.on_fenced = lambda: self._fenced(lease.partition)
        service = PartitionService(
            host,
            self._services,
            prefetch=self._settings.prefetch,
            idle=self._settings.idle,
            most_activations=self._most_activations,
            sweep_every=min(10.0, self._settings.sweep_after / 2),
            jitter=self._jitter,
        )
        task = self._spawn(service.run(), f"partition {lease.partition}")
        self._serving[lease.partition] = (service, task)

    def _lease_is_current(self) -> bool:
        return self._keeper.current

    def _most_activations(self) -> int:
        return max(1, self._settings.activations // max(1, len(self._serving)))

    def _fenced(self, partition: int) -> None:
        self._keeper.lost(partition)
        self._spawn(self._lose(partition), f"leave {partition}")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        if self._group is None:
            raise RuntimeError("a node takes and leaves partitions only while it runs")
        return self._group.create_task(work, name=name)

    async def _lose(self, partition: int) -> None:
        serving = self._serving.pop(partition, None)
        if serving is not None:
            service, task = serving
            await service.lose()
            await _end(task)

    async def _hand_over(self, partition: int) -> None:
        serving = self._serving.get(partition)
        if serving is not None:
            service, task = serving
            await service.hand_over(self._settings.shutdown_grace / 2)
            if self._serving.get(partition) is serving:
                del self._serving[partition]
            await _end(task)

    async def _shut_down(self, duties: list[asyncio.Task[None]]) -> None:
        log.info("node is going down", node=self.name, partitions=self.partitions)
        by_name = {duty.get_name(): duty for duty in duties}
        for name in ("lease keeper", "ingress", "dead letters"):
            await _end(by_name[name])
        try:
            async with asyncio.timeout(self._settings.shutdown_grace):
                await self._keeper.release_all()
        except (StoreError, TimeoutError) as error:
            log.warning("leases not released; they run out", node=self.name, error=str(error) or "timed out")
        for duty in duties:
            await _end(duty)
        for partition in list(self._serving):
            await self._lose(partition)

    def _any_host(self) -> PartitionHost | None:
        return next((service.host for service, _ in self._serving.values()), None)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
