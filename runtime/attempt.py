"""One attempt of a task: typed input in, a result or an error out, within its time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Raw, Struct

from actors import InvalidInput, Task, TaskContext
from actors.failures import error_info
from actors.journal import ErrorInfo
from actors.task import enter_task
from runtime.time_limit import TimeLimits


class Attempt(Struct):
    """How an attempt ended. `retryable`: whether another one could end differently."""

    result: Raw | None = None
    error: ErrorInfo | None = None
    retryable: bool = True


async def run_attempt(task: Task[..., Any], input: Raw | bytes, context: TaskContext, limits: TimeLimits) -> Attempt:
    """Run a task's function once. Whatever it raises becomes an `Attempt`; only our own cancellation is the caller's."""
    try:
        arguments = task.signature.decode(input)
    except InvalidInput as error:
        return Attempt(error=error_info(error), retryable=False)
    enter_task(context)
    limit = limits.of(task.timeout)
    try:
        with limit:
            value = await task.function(**arguments)
        return Attempt(result=Raw(task.signature.encode_result(value)))
    except TimeoutError as error:
        if limit.expired:
            return Attempt(error=ErrorInfo("TaskTimeout", f"{task.name} did not end within {task.timeout:g} s"))
        return _failed(task, error)
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        # The user's function: its error is its outcome. It may raise CancelledError by itself, out of something
        # that it awaited; without an outcome its task would never be acked, nor ever end.
        current = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and current is not None and current.cancelling():
            raise
        return _failed(task, error)


def deadline(task: Task[..., Any]) -> datetime:
    """Give the time by which an attempt that starts now must have ended, by this machine's clock."""
    return datetime.now(UTC) + timedelta(seconds=task.timeout)


def _failed(task: Task[..., Any], error: BaseException) -> Attempt:
    return Attempt(error=error_info(error), retryable=task.retry.retries(error))
