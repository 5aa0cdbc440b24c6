from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from eventstore import ListedExecution
from runtime.client.calls import Address, type_name
from runtime.client.subject import Subject
from runtime.conditions import conditions


class Listing(Subject):
    """What is there, by the store's table of executions."""

    async def list(
        self,
        type: Address | None = None,
        status: str | None = None,
        *,
        where: Sequence[str] = (),
        before: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[ListedExecution]:
        """List actors, newest start first.

        Args:
            type: only this type.
            status: only this status.
            where: conditions on search attributes, all of which hold: `["customer=ACME", "total>100"]`.
            before: the (started_at, stream) of the last one of the page before.
            limit: at most so many.

        Raises:
            CommandInvalid: a condition is none.
            ConfigurationError: the client has no database.
        """
        store = self._opened_store("list")
        name = None if type is None else type_name(type)
        met = conditions(tuple(where))
        return await store.executions(type=name, status=status, where=met, before=before, limit=limit)
