"""Celery: a worker with prefork processes, and a client process, on the run's RabbitMQ."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from benchmarks.peers.installing import python_of
from benchmarks.peers.rival import ENVIRONMENT, Peer, Rival, ended, script
from runtime.bench.members import BenchFailed, ClientProcess, Member
from runtime.bench.servers import Servers

_CHILDREN = 8  # more than cores: each waits for confirms most of the time


@asynccontextmanager
async def opened(servers: Servers, folder: Path) -> AsyncIterator[Rival]:
    """Start it on an empty virtual host."""
    broker = (await servers.place()).broker
    if broker is None:
        raise BenchFailed("Celery is measured on RabbitMQ, and this engine has none")
    python = await python_of("celery")
    environment = ENVIRONMENT | {"CELERY_BROKER_URL": broker}
    options = ["--pool", "prefork", "--concurrency", str(_CHILDREN), "--without-gossip", "--without-mingle"]
    command = [str(python), "-P", "-m", "celery", "-A", "celery_app", "worker", *options, "--loglevel", "ERROR"]
    # On SIGTERM it ends its children, which would outlive it otherwise.
    worker = Member("celery-worker", command, environment, folder, on_orphaned=signal.SIGTERM)
    async with ended(worker):
        client = ClientProcess("celery-client", script(python, "celery_client"), environment, folder)
        async with ended(client):
            await client.ready()
            yield Rival("celery", client, lambda: servers.roles() | {"worker": [worker.pid], "client": [client.pid]})


CELERY = Peer(
    "celery",
    "Celery",
    opened,
    partial(python_of, "celery"),
    {
        "processes": f"one worker with {_CHILDREN} prefork processes, which wait for confirms most of the time; one client process",
        "work": "a chain of five tasks, each of which gives a result; the client waits for the last one",
        "task_acks_late, task_reject_on_worker_lost": "on: what a lost worker had is run again",
        "confirm_publish": "on: publishing waits for the broker's confirm",
        "task_default_queue_type": "quorum, as Perdure's queues",
        "result_backend": "rpc://, the reply queue on the same RabbitMQ, not persistent, as it comes",
        "worker_prefetch_multiplier": "64, as the page on optimizing has it for short tasks",
        "gossip, mingle, remote control, events": "off",
    },
)
