"""Serving one partition: its queue is consumed, its clock is watched, until the lease ends or is handed over."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine

import structlog

from eventstore import StoreError
from runtime.clock import monotonic
from runtime.consuming import STORE_PAUSE, consume, pause
from runtime.hosting.host import PartitionHost
from runtime.hosting.services import Services
from runtime.transport.port import Delivery, Destination, Subscription, SubscriptionLost

SUSPECT = 2  # redeliveries from which on a message may be what keeps killing its node
MAX_STARTS = 3  # of a suspect, before it is quarantined
SUSPECT_PATIENCE = 10.0  # seconds to wait for a suspect before the next message
TICK = 1.0
EXPIRE_EVERY = 60.0  # seconds between two looks for instances that were kept long enough
MOST_LOADING = 1_000  # activations under way beyond which timers wait

log = structlog.get_logger("perdure.partition")


class PartitionService:
    """Runs a `PartitionHost`. `run` ends by cancellation, or by itself when the partition was lost."""

    def __init__(
        self,
        host: PartitionHost,
        services: Services,
        *,
        prefetch: int,
        idle: float,
        most_activations: Callable[[], int],
        sweep_every: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.host = host
        self._services = services
        self._prefetch, self._idle, self._most = prefetch, idle, most_activations
        self._sweep_every, self._jitter = sweep_every, jitter
        self._subscription: Subscription | None = None
        self._loops: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Recover, then consume and tend side by side."""
        await self._recover()
        async with asyncio.TaskGroup() as group:
            self._loops = [
                group.create_task(self._consume(), name=f"consume {self.host.partition}"),
                group.create_task(self._tend(), name=f"tend {self.host.partition}"),
            ]

    async def hand_over(self, grace: float) -> None:
        """Take no more messages, let what is under way become durable, and hand back the rest."""
        for loop in self._loops:
            loop.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        try:
            async with asyncio.timeout(grace):
                self.host.mark_published(after=0.0)
                await self.host.settled()
        except TimeoutError:
            log.warning("handed over before all was durable", partition=self.host.partition)
        await self._unsubscribe()
        self.host.drop()

    async def lose(self) -> None:
        """Drop everything at once: somebody else may own the partition by now."""
        self.host.drop()
        await self._unsubscribe()

    async def _recover(self) -> None:
        failures = 0
        while not self.host.dropped:
            try:
                await self.host.recover()
                break
            except StoreError as error:
                failures += 1
                log.warning("not recovered yet", partition=self.host.partition, error=str(error))
                await asyncio.sleep(pause(failures, self._jitter(), STORE_PAUSE))

    def _consume(self) -> Coroutine[None, None, None]:
        return consume(
            self._services.transport,
            Destination.COMMANDS,
            str(self.host.partition),
            prefetch=self._prefetch,
            handle=self._deliver,
            exclusive=True,
            wanted=lambda: not self.host.dropped,
            opened=self._opened,
            jitter=self._jitter,
        )

    def _opened(self, subscription: Subscription) -> None:
        self._subscription = subscription

    def _deliver(self, delivery: Delivery, subscription: Subscription) -> Awaitable[None] | None:
        if delivery.redeliveries >= SUSPECT:
            return self._suspect(delivery, subscription)
        self.host.deliver(delivery, subscription)
        return None

    async def _suspect(self, delivery: Delivery, subscription: Subscription) -> None:
        """Handle a message that came back several times alone, and count its starts first.

        The count is in Postgres: the broker counts messages that were never started, too, and forgets.
        """
        partition, store = self.host.partition, self._services.store
        key = hashlib.blake2b(delivery.body, digest_size=16).hexdigest()
        try:
            starts = await store.count_attempt(partition, key)
            if starts > MAX_STARTS:
                if await self.host.unhandled.repeat_answer(delivery, subscription):
                    return  # its node died after the commit: it took effect, and nobody may be told otherwise
                reason = f"its node died or lost the partition {starts - 1} times while handling it"
                self.host.unhandled.put_aside(delivery, subscription, reason, starts - 1)
                return
            handled = asyncio.Event()
            self.host.deliver(delivery, subscription, handled)
            async with asyncio.timeout(SUSPECT_PATIENCE):
                await handled.wait()
            await store.forget_attempts(partition, [key])
        except TimeoutError:
            log.warning("a redelivered message takes long", partition=partition)
        except StoreError as error:
            raise SubscriptionLost(f"the store can't count attempts: {error}") from error

    async def _tend(self) -> None:
        tidy_at = swept_at = monotonic()
        expire_at = tidy_at + EXPIRE_EVERY * self._jitter()
        while not self.host.dropped:
            await self.host.schedule.run_due(TICK, limit=500)
            if len(self._services.loader) > MOST_LOADING:
                await asyncio.sleep(0.01)
            now = monotonic()
            if now >= tidy_at:
                self.host.tidy(self._idle, self._most())
                self.host.mark_published()
                await self._answer_workers()
                tidy_at = now + TICK
            if now >= swept_at + (TICK if self.host.sweep_soon else self._sweep_every):
                await self._sweep()
                swept_at = monotonic()
            if now >= expire_at:
                expire_at = monotonic() + (TICK if await self._expire() else EXPIRE_EVERY)

    async def _expire(self) -> bool:
        try:
            return await self.host.expire()
        except StoreError as error:
            log.warning("nothing expired", partition=self.host.partition, error=str(error))
            return False

    async def _answer_workers(self) -> None:
        try:
            await self.host.answer_workers()
        except StoreError as error:
            log.warning("workers not answered", partition=self.host.partition, error=str(error))

    async def _sweep(self) -> None:
        try:
            await self.host.sweep()
        except StoreError as error:
            self.host.sweep_soon = True
            log.warning("not swept", partition=self.host.partition, error=str(error))

    async def _unsubscribe(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            await subscription.close()
