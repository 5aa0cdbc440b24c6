"""How long a published task may go without an outcome is a matter of that task, not of its neighbours in the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw

from actors import App, task
from eventstore import MemoryStore, OutboxMessage
from runtime.hosting.services import Services
from runtime.messages import TaskMessage, encode_message
from runtime.transport.memory import MemoryBroker, MemoryTransport

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@task
async def short() -> None: ...


@task(timeout=1200)
async def long() -> None: ...


@pytest.mark.parametrize(("name", "seconds"), [("short", 90), ("long", 1800), ("unknown", 60)])
def test_it_follows_the_task_s_own_timeout(name: str, seconds: float) -> None:
    """One and a half times what an attempt may take, and never less than the sweep."""
    services = Services(App(tasks=[short, long]), MemoryStore(), MemoryTransport(MemoryBroker()), 60.0, lambda: "id")
    message = TaskMessage(stream="Order/1", partition=0, task=1, attempt=1, name=name, input=Raw(b"{}"))
    row = OutboxMessage(message.key, "tasks", "default", encode_message(message))

    assert services.republish_after(row, NOW) == timedelta(seconds=seconds)
