from __future__ import annotations

from typing import Any

from runtime.client.calls import Address
from runtime.client.subject import Subject


class Queries(Subject):
    """Questions to an instance."""

    async def query(
        self, type: Address, id: str, name: str, *args: Any, timeout: float = 30.0, input: Any = None, **kwargs: Any
    ) -> Any:
        """Ask a query; it changes nothing.

        Raises:
            CommandInvalid: unknown type or query, or arguments that do not fit.
            NotFound: there is no such workflow instance.
            CommandFailed: the query raised.
            AnswerTimeout: no answer in time.
        """
        content = self._calls.ask(type, id, name, args, kwargs, input)
        return self._calls.value(await self._ask(content, timeout), type, "query", name)
