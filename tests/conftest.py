"""Fixtures for every tier: real private servers, an empty database or virtual host a test."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from runtime.servers import RabbitControl, create_database, drop_database
from tests.migrated import MigratedDatabases
from tests.shared_servers import shared_server
from tests.vhosts import ManagedBroker, VhostPool

# A deadline measures the machine, not the code.
hypothesis.settings.register_profile("perdure", deadline=None)
hypothesis.settings.load_profile("perdure")

# A shell without job control starts what is in its background deaf to SIGINT, and its children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def run_id(request: pytest.FixtureRequest) -> str:
    """One id for all processes of a test run."""
    workerinput = getattr(request.config, "workerinput", None)
    return str(workerinput["testrunuid"])[:12] if workerinput else secrets.token_hex(6)


@pytest.fixture(scope="session")
def postgres_url(run_id: str) -> Iterator[str]:
    """The superuser's address of a Postgres from installed binaries (fsync off), or PERDURE_TEST_DATABASE_URL."""
    if given := os.environ.get("PERDURE_TEST_DATABASE_URL"):
        yield given
        return
    with shared_server("postgres", run_id) as server:
        yield server.url


@pytest.fixture(scope="session")
def embedded_url(run_id: str) -> Iterator[str]:
    """The superuser's address of the embedded Postgres (fsync off)."""
    with shared_server("embedded", run_id) as server:
        yield server.url


@pytest.fixture
async def fresh_database(postgres_url: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A factory of empty databases: awaiting its call gives an address. They are dropped after the test."""
    async for factory in _databases(postgres_url):
        yield factory


@pytest.fixture(scope="session")
def migrated_databases(postgres_url: str) -> Iterator[MigratedDatabases]:
    """What `migrated_database` takes its databases from."""
    databases = MigratedDatabases(postgres_url)
    yield databases
    asyncio.run(databases.drop_templates())


@pytest.fixture
async def migrated_database(migrated_databases: MigratedDatabases) -> AsyncIterator[Callable[[int], Awaitable[str]]]:
    """A factory of stores without events: awaiting its call with a number of partitions gives a database's address."""
    made: list[str] = []

    async def create(partitions: int) -> str:
        name, address = await migrated_databases.create(partitions)
        made.append(name)
        return address

    yield create
    await migrated_databases.drop(*made)


@pytest.fixture
async def fresh_embedded_database(embedded_url: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """The same on the embedded Postgres."""
    async for factory in _databases(embedded_url):
        yield factory


async def _databases(admin_url: str) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    made: list[str] = []

    async def create() -> str:
        name = f"test_{secrets.token_hex(8)}"
        made.append(name)
        return await create_database(admin_url, name)

    yield create
    for name in made:
        await drop_database(admin_url, name)


@pytest.fixture(scope="session")
def vhost_pool(run_id: str) -> Iterator[VhostPool]:
    """Where `fresh_vhost` takes its virtual hosts from."""
    if given := os.environ.get("PERDURE_TEST_BROKER_URL"):
        management = os.environ.get("PERDURE_TEST_BROKER_MANAGEMENT_URL")
        if not management:
            raise pytest.UsageError(
                "PERDURE_TEST_BROKER_URL is set, so PERDURE_TEST_BROKER_MANAGEMENT_URL must be too, for example "
                "http://guest:guest@localhost:15672: every test gets a virtual host of its own"
            )
        yield VhostPool(ManagedBroker(given, management))
        return
    with shared_server("rabbitmq", run_id) as server:
        yield VhostPool(RabbitControl(Path(server.folder)))


@pytest.fixture(scope="session")
def rabbitmq_url(run_id: str) -> Iterator[str]:
    """The administrator's address of a RabbitMQ, on the virtual host `/`, or PERDURE_TEST_BROKER_URL."""
    if given := os.environ.get("PERDURE_TEST_BROKER_URL"):
        yield given
        return
    with shared_server("rabbitmq", run_id) as server:
        yield server.url


@pytest.fixture
async def fresh_vhost(vhost_pool: VhostPool) -> AsyncIterator[Callable[[], Awaitable[str]]]:
    """A factory of empty virtual hosts: awaiting its call gives an address."""
    made: list[str] = []

    async def create() -> str:
        url = await vhost_pool.take()
        made.append(url)
        return url

    yield create
    for url in made:
        vhost_pool.give_back(url)


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """A folder for a server's data that outlives the server. Unlike `tmp_path`, other accounts may pass through it."""
    with tempfile.TemporaryDirectory(prefix="perdure-test-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"
