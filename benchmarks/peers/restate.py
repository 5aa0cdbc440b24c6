"""Restate: its server, one service process, and a client process, on loopback."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.peers.installing import python_of, restate_server
from benchmarks.peers.rival import ENVIRONMENT, Peer, Rival, ended, script
from runtime.bench.members import READY_SECONDS, BenchFailed, ClientProcess, Member
from runtime.bench.servers import Servers
from runtime.servers.ports import free_port

_LOCAL = "http://127.0.0.1"


@asynccontextmanager
async def opened(servers: Servers, folder: Path) -> AsyncIterator[Rival]:  # noqa: ARG001 - it has a store of its own
    """Start it with an empty store."""
    python, binary = await python_of("restate"), await restate_server()
    ingress, admin, node, service_port = (free_port() for _ in range(4))
    data = folder / "restate"
    command = [str(binary), "--base-dir", str(data), "--node-name", "bench", "--bind-ip", "127.0.0.1"]
    settings = {
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_BIND_PORT": str(node),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "warn",
    }
    server = Member("restate-server", command, settings, folder, on_orphaned=signal.SIGTERM)
    async with ended(server):
        service = Member("service", script(python, "restate_service", str(service_port)), ENVIRONMENT, folder)
        async with ended(service):
            await _deployed(f"{_LOCAL}:{admin}", f"{_LOCAL}:{service_port}", [server, service])
            environment = ENVIRONMENT | {"RESTATE_INGRESS_URL": f"{_LOCAL}:{ingress}"}
            client = ClientProcess("restate-client", script(python, "restate_client"), environment, folder)
            async with ended(client):
                await client.ready()
                roles = {"server": [server.pid], "service": [service.pid], "client": [client.pid]}
                yield Rival("restate", client, lambda: roles)


async def _deployed(admin: str, service: str, members: list[Member]) -> None:
    """Make the service known to the server, as soon as both listen; raises `BenchFailed`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_SECONDS
    while (trouble := await asyncio.to_thread(_deploy, admin, service)) is not None:
        for member in members:
            member.check()
        if loop.time() >= deadline:
            raise BenchFailed(f"restate-server did not take the service within {READY_SECONDS:g} s: {trouble}")
        await asyncio.sleep(0.2)


def _deploy(admin: str, service: str) -> str | None:
    body = json.dumps({"uri": service}).encode()
    request = urllib.request.Request(  # noqa: S310 - an address of our own
        f"{admin}/deployments", data=body, headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - as above
            return None
    except (urllib.error.URLError, OSError) as error:
        return str(error)


async def install() -> None:
    """Get the server and the SDK. Raises `NotInstalled`."""
    await python_of("restate")
    await restate_server()


RESTATE = Peer(
    "restate",
    "Restate",
    opened,
    install,
    {
        "processes": "one server, one service process, one client process",
        "server": "as it comes: 24 partitions, write-ahead log with fsync; no telemetry",
        "service": "a plain service without idempotency keys, its least costly kind; steps are ctx.run_typed",
        "hypercorn": "HTTP/2 on uvloop, with the limits that the documentation gives for production; one process of it",
        "client": "aiohttp with a connection for each request under way, on uvloop",
    },
)
