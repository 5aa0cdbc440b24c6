from __future__ import annotations

from typing import Any

from actors import Failure
from actors.failures import error_info
from actors.journal import ErrorInfo
from runtime.client.answers import Resolution, decode_resolution
from runtime.client.calls import Address
from runtime.client.subject import Subject


class Promises(Subject):
    """Values that a workflow waits for by name, given from outside."""

    async def resolve(
        self, type: Address, id: str, promise: str, value: Any = None, *, command_id: str | None = None,
        timeout: float = 30.0,
    ) -> Resolution:  # fmt: skip
        """Give a workflow the value of a promise; comes back when that is durable. The first one wins.

        Args:
            type: workflow class or type name.
            id: the instance's id.
            promise: its name, as the workflow's code awaits it, now or later.
            value: anything that JSON can hold.
            command_id: identifies this very request: repeating it gives the first answer.
            timeout: seconds to wait for the answer.

        Returns:
            `resolved`: whether it was this request that settled it. If not, `result` or `error` says what did.

        Raises:
            CommandInvalid: the value does not fit what the code waits for.
            NotFound: there is no such workflow instance.
            AlreadyFinished: the run has ended, and nobody had settled the promise.
            AnswerTimeout: no answer in time.
        """
        message = self._calls.resolve(type, id, promise, value, None, command_id)
        return decode_resolution(await self._ask(message, timeout))

    async def reject(
        self, type: Address, id: str, promise: str, message: str, *, error: str = "Rejected", details: Any = None,
        command_id: str | None = None, timeout: float = 30.0,
    ) -> Resolution:  # fmt: skip
        """Settle a promise with a failure: who awaits it gets a `PromiseFailed` with this message, details and `error` as its type.

        Otherwise like `resolve`.
        """
        info = error_info(Failure(message, details))
        info = ErrorInfo(error, info.message, info.details)
        content = self._calls.resolve(type, id, promise, None, info, command_id)
        return decode_resolution(await self._ask(content, timeout))
