"""DBOS: workflows of steps, started and awaited in the process that runs them, as its documentation shows it."""

from __future__ import annotations

import asyncio
import os

import lanes
import uvloop
from dbos import DBOS, DBOSConfig


@DBOS.step()
async def step(number: int) -> int:
    """Give a number back."""
    return number


@DBOS.workflow()
async def steps(count: int) -> int:
    """So many steps, one after the other; gives the sum of what they gave."""
    total = 0
    for number in range(count):
        total += await step(number)
    return total


def asker(request: lanes.Request) -> lanes.Ask:
    """Run the workflow to its result."""
    count = int(request["arguments"][0])

    async def ask(number: int) -> object:  # noqa: ARG001 - DBOS gives each workflow an id of its own
        return await steps(count)

    return ask


async def main() -> None:
    """Serve jobs."""
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": os.environ["DBOS_SYSTEM_DATABASE_URL"],
        "log_level": "WARNING",
        "sys_db_pool_size": int(os.environ["DBOS_POOL_SIZE"]),
    }
    DBOS(config=config)
    DBOS.launch()
    try:
        await lanes.serve_async(asker)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
