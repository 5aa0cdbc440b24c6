"""Promises: values that a workflow's code waits for by name, and that somebody outside settles.

Settling is a fact. It is kept whether or not anybody waits for it yet, and the first one wins. Waiting is no decision:
like a condition it leaves no event, for when it ends is a function of the journal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from msgspec import Raw

from actors.codec import decoder
from actors.errors import DefinitionError, InvalidArguments, PayloadRefused, PromiseFailed
from actors.journal import PromiseRejected, PromiseResolved
from actors.signature import checked_type

MAX_NAME = 200  # characters

Settled = PromiseResolved | PromiseRejected
Decode = Callable[[bytes | Raw], Any]


def is_promise_name(name: str) -> bool:
    """Say whether a promise can be named so."""
    return 0 < len(name) <= MAX_NAME and name.isprintable()


class Promises:
    """Those of one instance, by name: what settled them, and who waits."""

    __slots__ = ("_settled", "_waiting")

    def __init__(self) -> None:
        self._settled: dict[str, Settled] = {}
        self._waiting: dict[str, list[tuple[asyncio.Future[Settled], Decode]]] = {}

    async def wait(self, name: str, type: Any) -> Any:
        """Wait for a value of a type; to be awaited inside the instance's loop.

        Raises:
            PromiseFailed: it was rejected, or settled with a value that does not fit before anybody knew the type.
            DefinitionError: it can't be named so, or the type can't be made from JSON.
        """
        if not is_promise_name(name):
            raise DefinitionError(f"{name!r} can't name a promise: use 1 to {MAX_NAME} printable characters")
        decode = _decoder(name, type)
        fact = self._settled.get(name)
        if fact is None:
            fact = await self._wait(name, decode)
        if isinstance(fact, PromiseRejected):
            raise PromiseFailed(name, fact.error.type, fact.error.message, fact.error.details_value())
        try:
            return decode(fact.result)
        except PayloadRefused as error:
            raise PromiseFailed(name, "InvalidValue", str(error)) from error

    async def _wait(self, name: str, decode: Decode) -> Settled:
        waiter: tuple[asyncio.Future[Settled], Decode] = (asyncio.get_running_loop().create_future(), decode)
        self._waiting.setdefault(name, []).append(waiter)
        try:
            return await waiter[0]
        finally:
            waiting = self._waiting.get(name, [])
            if waiter in waiting:
                waiting.remove(waiter)
            if not waiting:
                self._waiting.pop(name, None)

    def settle(self, fact: Settled) -> None:
        """Take what settled a promise, and wake who waits for it."""
        if self._settled.setdefault(fact.name, fact) is fact:
            for future, _ in self._waiting.pop(fact.name, ()):
                if not future.done():
                    future.set_result(fact)

    def check(self, name: str, value: Raw) -> None:
        """See that a value fits what is waited for; raises `InvalidArguments`. Anything fits what nobody waits for."""
        for _, decode in self._waiting.get(name, ()):
            try:
                decode(value)
            except PayloadRefused as error:
                raise InvalidArguments(f"promise {name}: {error}") from error

    def titles(self) -> list[str]:
        """Say in words what is waited for."""
        return [f"promise {name}" for name in self._waiting]


@lru_cache(maxsize=1000)
def _decoder(name: str, type: Any) -> Decode:
    return decoder(checked_type(type, f"promise {name}"))
