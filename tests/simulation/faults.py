"""Stores and transports with faults: every call can be interrupted on its way there and on its way back."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from eventstore import StoreUnavailable
from runtime.transport.memory import MemoryBroker, MemorySubscription, MemoryTransport
from runtime.transport.port import Destination, Message, PublishUnknown


class Fate(Enum):
    """What becomes of one call."""

    GOOD = "good"
    NOT_DONE = "not done, and no answer"
    ANSWER_LOST = "done, and no answer"


Plan = Callable[[str], Fate]
"""Says the fate of the next call, by the method's name."""


def all_good(_: str) -> Fate:
    return Fate.GOOD


def nth(method: str, n: int, fate: Fate) -> Plan:
    """The n-th call of one method, from 1, has this fate."""
    seen = 0

    def plan(name: str) -> Fate:
        nonlocal seen
        seen += name == method
        return fate if name == method and seen == n else Fate.GOOD

    return plan


def every(step: int, fate: Fate, *methods: str, first: int = 0) -> Plan:
    """Every so-manyth call of these methods has this fate, beginning `first` calls earlier."""
    seen = first

    def plan(name: str) -> Fate:
        nonlocal seen
        if name not in methods:
            return Fate.GOOD
        seen += 1
        return fate if seen % step == 0 else Fate.GOOD

    return plan


class FaultyStore:
    """Stands before a `MemoryStore` or `MemoryLeases`: gives way before and after each call, and follows a plan."""

    def __init__(self, inner: Any, plan: Plan = all_good) -> None:
        self._inner = inner
        self.plan = plan

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            fate = self.plan(name)
            if fate is Fate.NOT_DONE:
                raise StoreUnavailable(f"{name}: not done, by plan")
            answer = await method(*args, **kwargs)
            await asyncio.sleep(0)
            if fate is Fate.ANSWER_LOST:
                raise StoreUnavailable(f"{name}: done, and the answer lost by plan")
            return answer

        return call


class FaultyTransport(MemoryTransport):
    """Gives way before and after each call, and follows a plan for `publish`."""

    def __init__(self, broker: MemoryBroker, plan: Plan = all_good) -> None:
        super().__init__(broker)
        self.plan = plan

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        fate = self.plan("publish")
        if fate is Fate.NOT_DONE:
            raise PublishUnknown("not published, by plan")
        await super().publish(messages)
        if fate is Fate.ANSWER_LOST:
            raise PublishUnknown("published, and the confirm lost by plan")

    async def subscribe(
        self, source: Destination, key: str = "", *, prefetch: int, exclusive: bool = False
    ) -> MemorySubscription:
        await asyncio.sleep(0)
        subscription = await super().subscribe(source, key, prefetch=prefetch, exclusive=exclusive)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            await subscription.close()  # as the real adapters must: nobody else knows of it
            raise
        return subscription

    async def reply_inbox(self) -> tuple[str, MemorySubscription]:
        await asyncio.sleep(0)
        return await super().reply_inbox()


class RepeatingBroker(MemoryBroker):
    """Puts every message into its queue twice."""

    def put(self, message: Message) -> bool:
        return super().put(message) and super().put(message)
