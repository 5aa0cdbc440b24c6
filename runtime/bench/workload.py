"""What a workload is, and what it is given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from msgspec import Struct

from runtime.bench.figures import Measurement
from runtime.bench.servers import Servers
from runtime.bench.sizes import Sizes
from runtime.bench.stage import Stage, open_folder


class Bench:
    """One run of the workloads on one engine."""

    def __init__(
        self,
        servers: Servers,
        sizes: Sizes,
        clients: int,
        *,
        found: Callable[[Measurement], None],
        advance: Callable[[str, int], None],
    ) -> None:
        """Prepare.

        Args:
            servers: running.
            sizes: how much to do.
            clients: how many client processes.
            found: takes each measurement as soon as there is one.
            advance: hears what is being done, and how many requests of it have their answer.
        """
        self.servers, self.sizes, self.clients = servers, sizes, clients
        self.found, self.advance = found, advance
        self.doing = ""

    @asynccontextmanager
    async def stage(
        self, *, nodes: int = 1, workers: int = 0, environment: dict[str, str] | None = None
    ) -> AsyncIterator[Stage]:
        """Start processes on an empty database and broker. Raises `BenchFailed`, `ServerError`."""
        async with (
            open_folder() as folder,
            Stage(
                self.servers,
                await self.servers.place(),
                folder,
                nodes=nodes,
                workers=workers,
                clients=self.clients,
                environment=environment or {},
                advance=lambda done: self.advance(self.doing, done),
            ) as stage,
        ):
            yield stage

    def begin(self, doing: str) -> None:
        """Say what is done next."""
        self.doing = doing
        self.advance(doing, 0)


class Workload(Struct, frozen=True):
    """One of W1 to W9."""

    key: str  # w1
    title: str
    run: Callable[[Bench], Awaitable[None]]
    note: str = ""  # what the reader has to know of how it was measured
