"""The composition root: the one place that names the concrete adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime

from actors import App
from eventstore.postgres import PostgresLeases, PostgresStore, migrate_store
from runtime.client import Client
from runtime.errors import ConfigurationError
from runtime.node import Node
from runtime.readers.checkpoints import migrate_checkpoints, open_connection
from runtime.readers.event_publisher import EventPublisher
from runtime.readers.projection import Projections
from runtime.readers.projector import Projector
from runtime.settings import Settings, variable
from runtime.transport.exchange import EventExchange
from runtime.transport.port import Topology, Transport
from runtime.worker import Worker


def make_transport(settings: Settings, *, owns_partitions: bool = False) -> Transport:
    """Make the transport that the settings name, not opened yet: RabbitMQ with a broker URL, else Postgres."""
    if settings.broker_url is not None:
        from runtime.transport.rabbitmq import RabbitMQTransport
        from runtime.transport.rabbitmq_connection import HEARTBEAT

        heartbeat = owners_heartbeat(settings.lease_ttl, HEARTBEAT) if owns_partitions else HEARTBEAT
        return RabbitMQTransport(settings.broker_url, heartbeat=heartbeat)
    from runtime.transport.postgres import PostgresTransport

    return PostgresTransport(settings.database_url)


def owners_heartbeat(lease_ttl: float, most: int) -> int:
    """Give the seconds between a node's signs of life to the broker.

    A node that is stopped keeps its partitions' queues until the broker has missed it for up to three heartbeats, and
    a new owner gets no messages before. That must not take much longer than the lease, so three fit into lease + 3 s.
    """
    return max(1, min(most, int((lease_ttl + 3) / 3)))


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[PostgresStore]:
    """Open the event store, and close it in the end. Raises `StoreUnavailable`, `SchemaMismatch`."""
    store = PostgresStore(settings.database_url)
    async with _opened(store):
        yield store


@asynccontextmanager
async def open_leases(settings: Settings) -> AsyncIterator[PostgresLeases]:
    """Open the leases, and close them in the end. Raises `StoreUnavailable`."""
    leases = PostgresLeases(settings.database_url)
    async with _opened(leases):
        yield leases


@asynccontextmanager
async def open_transport(settings: Settings, *, owns_partitions: bool = False) -> AsyncIterator[Transport]:
    """Open the transport, and close it in the end. Raises `TransportUnavailable`."""
    transport = make_transport(settings, owns_partitions=owns_partitions)
    async with _opened(transport):
        yield transport


@asynccontextmanager
async def _opened(resource: PostgresStore | PostgresLeases | Transport) -> AsyncIterator[None]:
    try:
        await resource.open()
        yield
    finally:
        await resource.close()  # also one that could not be opened whole


@asynccontextmanager
async def connect(settings: Settings) -> AsyncIterator[Client]:
    """Give a client that can do everything, listing included. Raises `StoreError`, `TransportError`."""
    async with open_store(settings) as store:
        client = Client(make_transport(settings), store.partitions, store, now=_now)
        async with client:
            yield client


async def migrate(settings: Settings, app: App | None = None) -> list[str]:
    """Create or bring up to date the schema and the broker's topology.

    Args:
        settings: `partitions` is used for a new store.
        app: its task queues are declared as well, where it is given.

    Returns:
        What was done, one line each; empty when all was there.

    Raises:
        StoreError, TransportError.
    """
    done = [f"schema: {name}" for name in await migrate_store(settings.database_url, settings.partitions)]
    for url in dict.fromkeys((settings.database_url, settings.tables_url)):
        done += [f"schema: readers {name}" for name in await migrate_checkpoints(url)]
    async with open_store(settings) as store, open_transport(settings) as transport:
        topology = Topology(store.partitions, frozenset() if app is None else app.task_queues)
        missing = await transport.check(topology)
        await transport.declare(topology)
        if missing:
            queues = f" and task queues {', '.join(sorted(topology.task_queues))}" if topology.task_queues else ""
            done.append(f"topology: {topology.partitions} partitions{queues}")
        return done


async def run_node(app: App, settings: Settings, stop: asyncio.Event, ready: Callable[[], None] | None = None) -> None:
    """Run a node until `stop` is set. With `publish_events` it publishes them, too, or waits to do so in another's place.

    Raises:
        ConfigurationError: events are to be published, and there is no RabbitMQ.
        StoreError, TransportError: not reached at the start.
    """
    exchange = _event_exchange(settings)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings))
        leases = await stack.enter_async_context(open_leases(settings))
        transport = await stack.enter_async_context(open_transport(settings, owns_partitions=True))
        node = Node(app, store, leases, transport, settings)
        if exchange is None:
            await node.run(stop, ready)
            return
        stack.push_async_callback(exchange.close)
        (await open_connection(settings.database_url)).terminate()  # is the table of checkpoints there?
        from_now = settings.publish_events == "new"
        publisher = EventPublisher(store, settings.database_url, exchange, from_now=from_now)
        async with asyncio.TaskGroup() as group:
            group.create_task(publisher.run(stop), name="event publisher")
            await node.run(stop, ready)


def _event_exchange(settings: Settings) -> EventExchange | None:
    if settings.publish_events == "off":
        return None
    if settings.broker_url is None:
        raise ConfigurationError(
            f"{variable('publish_events')} needs RabbitMQ: set {variable('broker_url')} or --broker-url. Where Postgres "
            "carries the messages there is no exchange: follow the log with eventstore.Subscription or `perdure follow`"
        )
    from runtime.transport.rabbitmq_exchange import RabbitMQEventExchange

    return RabbitMQEventExchange(settings.broker_url)


async def run_worker(
    app: App,
    settings: Settings,
    queues: list[str] | None,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
) -> None:
    """Run a worker until `stop` is set."""
    async with open_transport(settings) as transport:
        await Worker(app, transport, settings, queues).run(stop, ready)


async def run_projections(
    projections: Projections,
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[], None] | None = None,
    *,
    names: Sequence[str] = (),
    partitions: Sequence[int] | None = None,
) -> None:
    """Run projections until `stop` is set; as many processes as you like, of which one works on a partition at a time.

    Args:
        projections: which, and their app.
        settings: where the log and the projections' tables are.
        stop: ends it, after the batches under way.
        ready: called when all have begun.
        names: these alone; all by default.
        partitions: these of the log's alone; all by default.

    Raises:
        ConfigurationError: there is no projection of one of the names.
        StoreError: a database can't be reached at the start, or `migrate` was not run on it.
    """
    chosen = [projections.get(name) for name in names] if names else list(projections.by_name.values())
    async with open_store(settings) as store:
        (await open_connection(settings.tables_url)).terminate()  # is it there?
        async with asyncio.TaskGroup() as group:
            for projection in chosen:
                projector = Projector(projection, projections.app, store, settings.tables_url, partitions=partitions)
                group.create_task(projector.run(stop), name=f"projection {projection.title}")
            if ready is not None:
                ready()


def _now() -> datetime:
    return datetime.now(UTC)
