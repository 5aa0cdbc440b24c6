from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from eventstore import migrate_store
from runtime.servers import create_database, drop_database
from tests.conformance.store.kits import PARTITIONS, PostgresKit


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all examples, so that connections outlive an example."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def postgres_kit(postgres_url: str, runner: asyncio.Runner) -> Iterator[PostgresKit]:
    """A migrated database for all examples."""
    name = f"log_{secrets.token_hex(6)}"
    kit = PostgresKit(runner.run(create_database(postgres_url, name)))
    runner.run(migrate_store(kit.dsn, PARTITIONS))
    yield kit
    runner.run(kit.close())
    runner.run(drop_database(postgres_url, name))
