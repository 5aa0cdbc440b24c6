"""A TCP proxy between one process and one server, that can do what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Self
from urllib.parse import urlsplit

_PIECE = 65_536
_HEARTBEAT_BYTES = 8  # an AMQP heartbeat frame: nobody waits for its answer
_LATE_ANSWERS = 0.05  # seconds for the server to take a request whose answer is lost, before the connection goes
# What a socket that is closed already may raise, with asyncio's event loop or uvloop's.
_GONE = (OSError, RuntimeError, ValueError)
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: close sends RST


class Connection:
    """One connection through the proxy, with its two sockets."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.near, self.far = near, far
        self.answers_lost = False

    def reset(self) -> None:
        """End both sockets with RST; what was not delivered is gone."""
        for writer in (self.near, self.far):
            with contextlib.suppress(*_GONE):
                if (open_socket := writer.get_extra_info("socket")) is not None:
                    open_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()


class Proxy:
    """Forwards every connection to one address, through whatever trouble it is told to make.

    All trouble ends by itself or with `heal`. Each kind is seen to happen: the methods say whether it did.
    """

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name = name
        self.port = 0
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._losing: asyncio.Future[Connection] | None = None  # armed: the next request's answer is lost
        self._cutting: asyncio.Future[None] | None = None  # armed: the connection ends after so many more bytes
        self._cut_left = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Listen on a free port of the loopback interface."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything; safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self.reset()
        self.heal()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def through(self, url: str) -> str:
        """Give a server's address as it is reached through this proxy."""
        parts = urlsplit(url)
        account = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{account}@127.0.0.1:{self.port}").geturl()

    @property
    def connections(self) -> int:
        """How many connections go through it now."""
        return len(self._connections)

    # -- trouble ------------------------------------------------------------------------------------------------

    def delay(self, seconds: float) -> None:
        """Hold back each piece for so long, in both directions; 0 ends it."""
        self._delay = seconds

    def black_hole(self) -> bool:
        """Forward nothing while every socket stays open; what comes is kept, as TCP would keep it, for `heal`."""
        self._flowing.clear()
        return bool(self._connections)

    def heal(self) -> None:
        """End delays and black holes."""
        self._delay = 0.0
        self._flowing.set()

    def reset(self) -> int:
        """Reset every connection; says how many there were. New ones work."""
        count = len(self._connections)
        for connection in list(self._connections):
            connection.reset()
        return count

    async def lose_answer(self, patience: float) -> bool:
        """Deliver the next request, drop what the server says from then on, and end that connection.

        Gives False when no request that was answered came within `patience` seconds.
        """
        self._losing = armed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(patience):
                connection = await armed
        except TimeoutError:
            return False
        finally:
            self._losing = None
        await asyncio.sleep(_LATE_ANSWERS)  # a reset could overtake the request that is to be delivered
        connection.reset()
        return True

    async def cut_after(self, count: int, patience: float) -> bool:
        """Let so many more bytes of requests pass, then end that connection in the middle of what it was sending.

        Gives False when not as many came within `patience` seconds.
        """
        self._cutting, self._cut_left = asyncio.get_running_loop().create_future(), max(1, count)
        try:
            async with asyncio.timeout(patience):
                await self._cutting
        except TimeoutError:
            return False
        finally:
            self._cutting = None
        return True

    # -- forwarding ---------------------------------------------------------------------------------------------

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name=f"proxy {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            await _ended(writer)
            return
        connection = Connection(writer, far_writer)
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(connection, reader, far_writer))
                group.create_task(self._answers(connection, far_reader, writer))
        finally:
            self._connections.discard(connection)
            await _ended(writer)
            await _ended(far_writer)

    async def _requests(self, connection: Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_GONE):
            while data := await self._piece(source):
                if self._cutting is not None and not self._cutting.done():
                    data, over = data[: self._cut_left], len(data) >= self._cut_left
                    self._cut_left -= len(data)
                    sink.write(data)
                    await sink.drain()
                    if over:
                        self._cutting.set_result(None)
                        break
                    continue
                sink.write(data)
                await sink.drain()
                if self._losing is not None and not self._losing.done() and len(data) > _HEARTBEAT_BYTES:
                    connection.answers_lost = True
        await _finish(sink)
        connection.near.transport.abort()

    async def _answers(self, connection: Connection, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(*_GONE):
            while data := await self._piece(source):
                if connection.answers_lost:
                    if self._losing is not None and not self._losing.done():
                        self._losing.set_result(connection)
                    continue
                sink.write(data)
                await sink.drain()
        await _finish(sink)
        connection.far.transport.abort()

    async def _piece(self, source: asyncio.StreamReader) -> bytes:
        data = await source.read(_PIECE)
        if self._delay:
            await asyncio.sleep(self._delay)
        await self._flowing.wait()
        return data


async def _ended(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(*_GONE):
        await writer.wait_closed()


async def _finish(sink: asyncio.StreamWriter) -> None:
    """Let the other side have what was written, and then the end of the stream."""
    with contextlib.suppress(*_GONE):
        sink.close()
        await sink.wait_closed()
