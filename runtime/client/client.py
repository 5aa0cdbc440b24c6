"""The client: publishes commands and queries, and waits for their answers without polling."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Self

from eventstore import EventStore
from runtime.client.asking import Asker
from runtime.client.calls import Calls
from runtime.client.command_ids import command_ids
from runtime.client.commands import Commands
from runtime.client.corrections import Corrections
from runtime.client.delayed import Delayed
from runtime.client.instances import Instances
from runtime.client.listing import Listing
from runtime.client.promises import Promises
from runtime.client.queries import Queries
from runtime.client.schedules import Schedules
from runtime.transport.port import Transport


class Client(Instances, Commands, Queries, Promises, Listing):
    """Talks to actors. Use it as an async context manager, or `open` and `close` it.

    Actors are named by class or by type name. With a class, arguments are checked here, before anything is sent, and
    results come back as the annotated type; with a name, arguments are given by keyword and results are builtin
    values. `command_id` is the idempotency key: repeating a call with the same one changes nothing twice and gives the
    first answer. Without one a fresh one is made.

    What people ask for every day are its own methods, by subject: `instances`, `commands`, `queries`, `promises` and
    `listing` are the files. What is rarer is an object of its own in an attribute: `corrections`, `delayed`, `schedules`.

    Args:
        transport: the broker, not opened yet.
        partitions: how many partitions the store has; None: every message goes by way of the ingress.
        store: for `list`, already opened; None where there is no database at hand.
    """

    def __init__(
        self,
        transport: Transport,
        partitions: int | None = None,
        store: EventStore | None = None,
        *,
        new_id: Callable[[], str] | None = None,
        now: Callable[[], datetime] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(Calls(new_id or command_ids(), now), Asker(transport, partitions, jitter), store)
        self._transport = transport
        self.corrections = Corrections(self._calls, self._asker, store)
        self.schedules = Schedules(self, self._calls)
        self.delayed = Delayed(self._calls, self._asker, store)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connect, and make the reply queue. Raises `TransportError`."""
        await self._transport.open()
        await self._asker.open()

    async def close(self) -> None:
        """Close everything; safe to call twice."""
        await self._asker.close()
        await self._transport.close()
