from __future__ import annotations

from msgspec import Raw

from eventstore import EventStore
from runtime.client.answers import result_of
from runtime.client.asking import Asker
from runtime.client.calls import Calls
from runtime.errors import ConfigurationError
from runtime.messages import Inbound


class Subject:
    """One subject of the client, such as its commands: methods that make a message, ask, and read the answer.

    Args:
        calls: makes messages of what callers give.
        asker: brings them there, and the answers back.
        store: for what is read past the nodes; None where there is no database at hand.
    """

    def __init__(self, calls: Calls, asker: Asker, store: EventStore | None) -> None:
        self._calls, self._asker, self._store = calls, asker, store

    async def _ask(self, message: Inbound, timeout: float | None) -> Raw:
        """Send a message and wait for its result; raises the `CommandError` that the answer tells of, `AnswerTimeout`."""
        return result_of(await self._asker.ask(message, timeout))

    def _opened_store(self, what: str) -> EventStore:
        if self._store is None:
            raise ConfigurationError(f"this client has no database to {what} from; give it a store")
        return self._store
