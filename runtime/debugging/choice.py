"""Which of a store's instances are meant: by type, status, time of start, and how many of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from zlib import crc32

from msgspec import Struct

from eventstore import EventStore, ListedExecution
from runtime.debugging.instance import Instance

_PAGE = 1000


class Choice(Struct, frozen=True):
    """What to choose; None and 0 leave open. `since` is inclusive, `until` is not; both are about the start.

    A sample is taken by the streams' names: the same again from the same instances, and spread evenly over them.
    """

    type: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    sample: int = 0


async def chosen(store: EventStore, choice: Choice) -> list[ListedExecution]:
    """Find them, newest start first. Raises `StoreError`."""
    found = [listed async for listed in _listed(store, choice)]
    if choice.sample and len(found) > choice.sample:
        kept = {listed.stream for listed in sorted(found, key=_place)[: choice.sample]}
        found = [listed for listed in found if listed.stream in kept]
    return found


async def read(store: EventStore, stream: str) -> Instance | None:
    """Read one instance with all of its events; None when there is none. Raises `StoreError`."""
    execution, events = await store.execution(stream), await store.read_stream(stream)
    return None if not events else Instance(stream, events, None if execution is None else execution.status, execution)


async def first_free(store: EventStore, type: str, id: str) -> str:
    """Give the first of `id-2`, `id-3` … that no instance has. Raises `StoreError`."""
    number = 2
    while await store.stream_version(f"{type}/{id}-{number}"):
        number += 1
    return f"{id}-{number}"


async def _listed(store: EventStore, choice: Choice) -> AsyncIterator[ListedExecution]:
    before: tuple[datetime, str] | None = None
    while True:
        page = await store.executions(type=choice.type, status=choice.status, before=before, limit=_PAGE)
        for listed in page:
            started = listed.execution.started_at
            if choice.since is not None and started < choice.since:
                return
            if choice.until is None or started < choice.until:
                yield listed
        if len(page) < _PAGE:
            return
        before = (page[-1].execution.started_at, page[-1].stream)


def _place(listed: ListedExecution) -> tuple[int, str]:
    return crc32(listed.stream.encode()), listed.stream
