"""A client process: `python -m runtime.bench.client SOCKET`. It does the jobs that come over the socket."""

from __future__ import annotations

import asyncio
import signal
import sys

from runtime import logs
from runtime.assembly import connect
from runtime.bench.jobs import Failed, Job, Progress, Ready, read_job, write
from runtime.bench.load import Tally, perform
from runtime.cli.running import run_async
from runtime.client import Client
from runtime.settings import load_settings

_EVERY = 0.25  # seconds between two words on how far a job is


async def serve(address: str) -> None:
    """Do jobs until the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started us ends us
    reader, writer = await asyncio.open_unix_connection(address)
    try:
        async with connect(load_settings()) as client:
            write(writer, Ready())
            while True:
                await _do(client, await read_job(reader), writer)
    except asyncio.IncompleteReadError:
        return
    finally:
        writer.close()


async def _do(client: Client, job: Job, writer: asyncio.StreamWriter) -> None:
    tally = Tally()
    telling = asyncio.create_task(_tell(tally, writer), name="progress")
    try:
        report = await perform(client, job, tally)
    except Exception as error:  # noqa: BLE001 - whatever it was, the benchmark has to hear of it
        leaf: BaseException = error
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        write(writer, Failed(f"{type(leaf).__name__}: {leaf}"))
    else:
        write(writer, report)
    finally:
        telling.cancel()
        await asyncio.wait([telling])
    await writer.drain()


async def _tell(tally: Tally, writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(_EVERY)
        write(writer, Progress(len(tally.latencies)))


if __name__ == "__main__":
    logs.configure("warning")
    run_async(serve(sys.argv[1]))
