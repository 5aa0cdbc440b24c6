from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.conformance.transport.kits import Kit, MemoryKit, PostgresKit, ProxiedKit, RabbitMQKit
from tests.conformance.transport.simulated import SimulatedKit

KitFactory = Callable[[], Awaitable[Kit]]


@pytest.fixture(params=["memory", "simulated", "postgres", "rabbitmq"])
def new_kit(request: pytest.FixtureRequest) -> KitFactory:
    """Makes an adapter on an empty server; only the servers that are asked for are started."""
    fixtures = {"postgres": "fresh_database", "rabbitmq": "fresh_vhost"}
    fresh: Callable[[], Awaitable[str]]
    if request.param in fixtures:
        fresh = request.getfixturevalue(fixtures[request.param])

    async def make() -> Kit:
        match request.param:
            case "postgres":
                return PostgresKit(await fresh())
            case "rabbitmq":
                return RabbitMQKit(await fresh())
            case "simulated":
                return SimulatedKit()
            case _:
                return MemoryKit()

    return make


@pytest.fixture
async def kit(new_kit: KitFactory) -> AsyncIterator[Kit]:
    """Every adapter in turn, on an empty server."""
    kit = await new_kit()
    if isinstance(kit, ProxiedKit):
        await kit.proxy.open()
    yield kit
    await kit.close()
