"""Local tasks: they run inside the node, once the turn that asked for them is durable."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from actors import Task, TaskContext
from actors.turn import LocalCall
from runtime.attempt import Attempt, deadline, run_attempt
from runtime.hosting.item import Item, LocalDone
from runtime.time_limit import TimeLimits


class LocalTasks:
    """The local tasks that run for the actors of one partition."""

    def __init__(self, receive: Callable[[str, Item], None], jitter: Callable[[], float] = random.random) -> None:
        self._receive, self._jitter = receive, jitter
        self._limits = TimeLimits()
        self._running: dict[str, dict[int, asyncio.Task[None]]] = {}  # by stream, and by the task's number

    def run(self, task: Task[..., Any], call: LocalCall, stream: str, correlation_id: str | None) -> None:
        """Start one; its end comes into the actor's mailbox."""
        running = asyncio.create_task(
            self._attempts(task, call, stream, correlation_id), name=f"local {task.name} of {stream}"
        )
        self._running.setdefault(stream, {})[call.task] = running

    def cancel(self, stream: str) -> None:
        """Stop those of one actor; they run again when it was loaded again."""
        for running in self._running.pop(stream, {}).values():
            running.cancel()

    def give_up(self, stream: str, number: int) -> None:
        """Stop one that nobody awaits any more."""
        running = self._running.get(stream, {}).get(number)
        if running is not None:
            self._forget(stream, number)
            running.cancel()

    def cancel_all(self) -> None:
        """Stop all of them."""
        for stream in list(self._running):
            self.cancel(stream)

    async def _attempts(self, task: Task[..., Any], call: LocalCall, stream: str, correlation_id: str | None) -> None:
        number = 0
        while True:
            number += 1
            context = TaskContext(f"{stream}#{call.task}", stream, call.task, number, deadline(task), correlation_id)
            attempt = await run_attempt(task, call.input, context, self._limits)
            delay = self._delay(task, attempt, number)
            if delay is None:
                break
            await asyncio.sleep(delay)
        self._forget(stream, call.task)
        type_, _, id_ = stream.partition("/")  # a stream that runs a task is well named
        self._receive(
            stream,
            Item(LocalDone(type=type_, id=id_, call=call, attempts=number, result=attempt.result, error=attempt.error)),
        )

    def _delay(self, task: Task[..., Any], attempt: Attempt, number: int) -> float | None:
        if attempt.error is None or not attempt.retryable:
            return None
        return task.retry.delay_after(number, self._jitter())

    def _forget(self, stream: str, number: int) -> None:
        running = self._running.get(stream)
        if running is not None:
            running.pop(number, None)
            if not running:
                del self._running[stream]
