"""Restate: a service whose handler runs so many steps, served over HTTP/2 by hypercorn."""

from __future__ import annotations

import asyncio
import sys

import hypercorn
import hypercorn.asyncio
import restate
import uvloop

steps = restate.Service("Steps")
_UNBOUNDED = 2147483647  # what the documentation gives for production


async def step(number: int) -> int:
    """Give a number back."""
    return number


@steps.handler()
async def run(context: restate.Context, count: int) -> int:
    """So many steps, one after the other; gives the sum of what they gave."""
    total = 0
    for number in range(count):
        total += await context.run_typed("step", step, number=number)
    return total


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    config = hypercorn.Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.h2_max_concurrent_streams = _UNBOUNDED
    config.keep_alive_max_requests = _UNBOUNDED
    config.keep_alive_timeout = _UNBOUNDED
    await hypercorn.asyncio.serve(restate.app(services=[steps]), config)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
