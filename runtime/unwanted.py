"""Telling a worker's tasks when nobody waits for them any more.

For a task that runs longer than some seconds the worker asks the actor's partition, now and then, whether its outcome is
still wanted. If it is not, the task's function is cancelled, as asyncio does. Nobody has to know which worker runs what,
nothing is written, and whatever is lost (a question, an answer, a node) is asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from msgspec import Raw, Struct

from actors import PayloadRefused
from actors.codec import decoder
from actors.names import split_stream
from runtime.client.asking import Asker
from runtime.clock import monotonic
from runtime.errors import AnswerTimeout, ClientBroken
from runtime.messages import Inbound, Reply, Status, TaskMessage, TaskWanted
from runtime.transport.port import Destination, Transport, TransportError

ASK_AFTER = 5.0  # seconds that a task has run
ASK_EVERY = 10.0
TICK = 1.0

log = structlog.get_logger("perdure.worker")


class _Answer(Struct):
    wanted: bool


_decode_answer: Callable[[Raw], _Answer] = decoder(_Answer)


class _Running(Struct, eq=False):
    message: TaskMessage
    ask_at: float
    unwanted: bool = False


class _Questions(Asker):
    """Questions about tasks, which say by themselves which partition knows."""

    def route(self, content: Inbound) -> tuple[Destination, str]:
        """Say where a question goes."""
        if not isinstance(content, TaskWanted):
            raise TypeError(f"a worker asks about its tasks only, not {content!r}")
        return Destination.COMMANDS, str(content.partition)


class UnwantedTasks:
    """Watches the tasks that run in a worker. `run` beside them; the connection for answers is made when it is needed."""

    def __init__(self, transport: Transport, jitter: Callable[[], float]) -> None:
        self._transport, self._jitter = transport, jitter
        self._running: dict[asyncio.Task[None], _Running] = {}  # the oldest first
        self._questions: _Questions | None = None

    def watch(self, task: asyncio.Task[None], message: TaskMessage) -> None:
        """Take a task that begins; it leaves by itself when it is done."""
        self._running[task] = _Running(message, monotonic() + ASK_AFTER)
        task.add_done_callback(self._done)

    def is_unwanted(self, task: asyncio.Task[None] | None) -> bool:
        """Say whether it was cancelled because nobody waits for its outcome."""
        return task is not None and (running := self._running.get(task)) is not None and running.unwanted

    async def run(self) -> None:
        """Ask, until cancelled."""
        try:
            while True:
                await asyncio.sleep(TICK)
                if due := self._due(monotonic()):
                    await self._ask_about(due)
        finally:
            if self._questions is not None:
                await self._questions.close()

    def _due(self, now: float) -> list[tuple[asyncio.Task[None], _Running]]:
        return [
            (task, running) for task, running in self._running.items() if running.ask_at <= now and not running.unwanted
        ]

    async def _ask_about(self, due: list[tuple[asyncio.Task[None], _Running]]) -> None:
        try:
            if self._questions is None:
                questions = _Questions(self._transport, None, self._jitter)
                await questions.open()
                self._questions = questions
            asker = self._questions
            async with asyncio.TaskGroup() as group:
                for task, running in due:
                    group.create_task(self._ask(asker, task, running), name=f"is {running.message.key} wanted")
        except TransportError as error:
            log.info("can't ask about tasks yet", reason=str(error))

    async def _ask(self, asker: _Questions, task: asyncio.Task[None], running: _Running) -> None:
        message = running.message
        type_, id_ = split_stream(message.stream)
        question = TaskWanted(type=type_, id=id_, task=message.task, partition=message.partition)
        try:
            wanted = _says_wanted(await asker.ask(question, ASK_EVERY))
        except (AnswerTimeout, PayloadRefused) as error:
            log.info("not told whether a task is wanted", task=message.key, reason=str(error))
            wanted = True
        except ClientBroken:
            self._questions, wanted = None, True
            await asker.close()
        running.ask_at = monotonic() + ASK_EVERY
        if not wanted and task in self._running:
            running.unwanted = True
            task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._running[task]


def _says_wanted(reply: Reply) -> bool:
    """Read an answer. Only a clear no is one: a node of before does not know the question."""
    if reply.status is not Status.OK or not isinstance(reply.result, Raw):
        return True
    return _decode_answer(reply.result).wanted
