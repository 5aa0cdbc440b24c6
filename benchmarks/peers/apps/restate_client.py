"""A client of Restate: calls the service through the server's ingress, over connections that are kept open."""

from __future__ import annotations

import asyncio
import os

import aiohttp
import lanes
import uvloop


async def main() -> None:
    """Serve jobs."""
    url = f"{os.environ['RESTATE_INGRESS_URL']}/Steps/run"
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    async with aiohttp.ClientSession(connector=connector) as session:

        def asker(request: lanes.Request) -> lanes.Ask:
            body, headers = str(int(request["arguments"][0])).encode(), {"content-type": "application/json"}

            async def ask(number: int) -> object:  # noqa: ARG001 - Restate gives each invocation an id of its own
                async with session.post(url, data=body, headers=headers) as response:
                    response.raise_for_status()
                    return await response.read()

            return ask

        await lanes.serve_async(asker)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
