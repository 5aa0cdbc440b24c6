"""A TCP proxy between a transport and its server: cut its connections, or lose the server's answers."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Forwards connections to one address until told otherwise."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers = True
        self.port = 0

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)

    def lose_answers(self) -> None:
        """From now on what the server says does not arrive, while it gets what is sent to it."""
        self._answers = False

    def cut(self) -> None:
        """Reset every connection on both sides; new ones work."""
        self._answers = True
        for writer in self._writers:
            writer.transport.abort()

    async def refuse(self) -> None:
        """Reset every connection and accept no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            self._writers |= {writer, far_writer}
            try:
                await asyncio.gather(
                    self._forward(reader, far_writer, answers=False), self._forward(far_reader, writer, answers=True)
                )
            finally:
                self._writers -= {writer, far_writer}
                writer.transport.abort()
                far_writer.transport.abort()

    async def _forward(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if answers and not self._answers:
                    continue
                sink.write(data)
                await sink.drain()
        sink.transport.abort()
