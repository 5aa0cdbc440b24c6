"""One story, three installations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from actors import App
from tests.behaviours.place import Story, on_memory, on_servers
from tests.simulation.world import simulate

Play = Callable[[Story, App], None]


@pytest.fixture(params=["memory", "postgres", "rabbitmq"])
def play(request: pytest.FixtureRequest) -> Play:
    """Plays a story of an app: in memory and virtual time, on Postgres alone, on Postgres with RabbitMQ."""
    if request.param == "memory":
        return lambda story, app: simulate(lambda world: on_memory(world, story), app)
    new_database: Callable[[], Awaitable[str]] = request.getfixturevalue("fresh_database")
    new_broker: Callable[[], Awaitable[str]] | None = None
    if request.param == "rabbitmq":
        new_broker = request.getfixturevalue("fresh_vhost")

    def on_real_servers(story: Story, app: App) -> None:
        async def told() -> None:
            broker = None if new_broker is None else await new_broker()
            async with asyncio.timeout(50):
                await on_servers(app, await new_database(), broker, story)

        asyncio.run(told())

    return on_real_servers
