"""One story, three installations; the one in memory is run in several ways."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

import pytest

from actors import App
from tests.behaviours.modes import MODES, ON_SERVERS, PLAIN
from tests.behaviours.place import PARTITIONS, Story, in_memory, on_servers

Play = Callable[[Story, App], None]

_BY_NAME = {"memory": PLAIN} | {f"memory, {mode.name}": mode for mode in MODES}


@pytest.fixture(params=[*_BY_NAME, "postgres", "rabbitmq"])
def play(request: pytest.FixtureRequest) -> Play:
    """Plays a story of an app: in memory and virtual time, in all modes; on Postgres alone; on Postgres with RabbitMQ.

    A test may ask for other places, by their names: "rabbitmq, all at once" has all that a mode does on real servers.
    """
    if (mode := _BY_NAME.get(request.param)) is not None:

        def on_memory(story: Story, app: App) -> None:
            in_memory(story, app, mode)

        return on_memory
    new_database: Callable[[int], Awaitable[str]] = request.getfixturevalue("migrated_database")
    new_broker: Callable[[], Awaitable[str]] | None = None
    server, _, mode_name = request.param.partition(", ")
    if server == "rabbitmq":
        new_broker = request.getfixturevalue("fresh_vhost")

    def on_real_servers(story: Story, app: App) -> None:
        async def told() -> None:
            broker = None if new_broker is None else await new_broker()
            async with asyncio.timeout(50):
                await on_servers(app, await new_database(PARTITIONS), broker, story)

        with ON_SERVERS.on() if mode_name else nullcontext():
            asyncio.run(told())

    return on_real_servers
