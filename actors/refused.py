"""What asyncio can do and workflow code can't have: sockets, threads, signals, and an order that differs from run to run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, NoReturn

from actors.errors import NotDurable

TASKS_FILE = asyncio.ensure_future.__code__.co_filename


def check_order(caller: FrameType | None, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Refuse `as_completed` of coroutines: it makes tasks of a set of them, in the order of their addresses."""
    while caller is not None and caller.f_code.co_filename == TASKS_FILE:
        if "ompleted" in caller.f_code.co_qualname:  # as_completed, or _AsCompletedIterator since Python 3.13
            coroutine.close()
            raise NotDurable(
                "asyncio.as_completed() starts coroutines in an order that differs from run to run; "
                "give it tasks: as_completed([asyncio.create_task(c) for c in …])"
            )
        caller = caller.f_back


def _refuse(name: str, instead: str) -> Callable[..., NoReturn]:
    def refused(*_: object, **__: object) -> NoReturn:
        raise NotDurable(f"workflow code can't use loop.{name}(): it can't be replayed. {instead}")

    return refused


_TASK = "Put it into a @task function and await that."
_SAME_THREAD = "Workflow code runs in one thread; use asyncio's own primitives."
_OWNED = "The runtime drives this loop."
_INSTEAD: dict[str, tuple[str, ...]] = {
    _TASK: (
        "run_in_executor", "set_default_executor", "getaddrinfo", "getnameinfo", "create_connection", "create_server",
        "create_unix_connection", "create_unix_server", "create_datagram_endpoint", "connect_accepted_socket",
        "connect_read_pipe", "connect_write_pipe", "subprocess_shell", "subprocess_exec", "sendfile", "start_tls",
        "sock_recv", "sock_recv_into", "sock_recvfrom", "sock_recvfrom_into", "sock_sendall", "sock_sendto",
        "sock_connect", "sock_accept", "sock_sendfile", "add_reader", "remove_reader", "add_writer", "remove_writer",
    ),
    _SAME_THREAD: ("call_soon_threadsafe",),
    _OWNED: (
        "run_forever", "run_until_complete", "stop", "close", "shutdown_asyncgens", "shutdown_default_executor",
        "set_task_factory", "set_exception_handler", "get_exception_handler", "default_exception_handler",
        "set_debug", "add_signal_handler", "remove_signal_handler",
    ),
}  # fmt: skip
# By name, what the loop raises instead of doing it.
REFUSED: dict[str, Callable[..., NoReturn]] = {
    name: _refuse(name, instead) for instead, names in _INSTEAD.items() for name in names
}
