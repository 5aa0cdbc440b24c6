from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from runtime.cli.errors import Interrupted

T = TypeVar("T")

# Net allocations of containers between two collections of a long-lived process, by generation. Python's 700 make it look
# through everything that is under way dozens of times a second, a tenth of a busy node's time; nearly all of it goes by
# its reference count anyhow.
GC_THRESHOLDS = (50_000, 20, 20)


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the quickest event loop there is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


async def interruptible(work: Awaitable[T]) -> T:
    """Let SIGTERM do to some work what Ctrl-C does: cancel it, so that it ends what it started.

    Raises:
        Interrupted: that happened.
    """
    task = asyncio.current_task()
    interrupted = False

    def on_signal() -> None:
        nonlocal interrupted
        interrupted = True
        if task is not None:
            task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, on_signal)
    try:
        return await work
    except asyncio.CancelledError:
        if not interrupted:
            raise
        raise Interrupted from None


def serve(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until SIGTERM or Ctrl-C sets the event that `work` is given; a second signal does not wait for order."""
    gc.freeze()  # what was imported so far stays
    gc.set_threshold(*GC_THRESHOLDS)

    async def main() -> None:
        stop = asyncio.Event()
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()

        def on_signal() -> None:
            if stop.is_set() and task is not None:
                task.cancel()
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal)
        try:
            await work(stop)
        except asyncio.CancelledError:
            if not stop.is_set():
                raise
            raise Interrupted from None

    run_async(main())


def announce(state: str) -> None:
    """Tell whoever started us how we are, the way systemd's `Type=notify` asks for: `READY=1`, `STOPPING=1`."""
    if not (address := os.environ.get("NOTIFY_SOCKET")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError:
            return  # nobody listens any more: news that nobody waits for
