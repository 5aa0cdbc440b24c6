"""A client process: `python -m tests.faults.load NAME SEED JOURNAL ROLE`. It calls until SIGTERM, then finishes what it began.

The role `opening` opens the bank's accounts before it says that it is ready.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from eventstore import StoreError
from runtime import logs
from runtime.assembly import connect
from runtime.cli.running import announce, serve
from runtime.client import Client
from runtime.settings import load_settings
from tests.faults.bank import ACCOUNTS, NEEDED, OPENING, TALLIES, Account, Errand, Tally, Transfer, Voyage
from tests.faults.customer import Customer
from tests.faults.journal import Journal

SECRET = "PERDURE_FAULTS_SECRET"  # the variable that holds a text which no log may show
_PAUSE = 0.1  # seconds that each caller rests between two pieces of work
_ENDING_AT_ONCE = 200  # workflows whose end is waited for


class Load:
    """Several callers of each sort, side by side."""

    def __init__(self, name: str, client: Client, journal: Journal, random: Random, stop: asyncio.Event) -> None:
        self._name, self._client, self._random, self._stop = name, client, random, stop
        self._customer = Customer(client, journal, random)
        self._numbers = 0
        self._secret = os.environ.get(SECRET, "")
        self._room = asyncio.Semaphore(_ENDING_AT_ONCE)

    async def open_accounts(self) -> None:
        """Pay the first deposits in."""
        await asyncio.gather(
            *(
                self._customer.call(Account, str(number), "open", OPENING, command_id=f"open:{number}")
                for number in range(ACCOUNTS)
            )
        )

    async def run(self) -> None:
        """Call until stopped, and finish what was begun."""
        async with asyncio.TaskGroup() as group:

            async def repeat(work: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> None:
                while not self._stop.is_set():
                    await work(group)
                    await asyncio.sleep(_PAUSE * (0.5 + self._random.random()))

            sorts = {
                self._transfer: 4,
                self._errand: 3,
                self._voyage: 1,
                self._tally: 10,
                self._say: 6,
                self._oddities: 1,
            }
            for work, count in sorts.items():
                for _ in range(count):
                    group.create_task(repeat(work))

    def _number(self) -> str:
        self._numbers += 1
        return f"{self._name}-{self._numbers}"

    async def _transfer(self, group: asyncio.TaskGroup) -> None:
        number = self._number()
        source, target = self._random.sample(range(ACCOUNTS), 2)
        amount = self._random.randrange(1, 400)
        await self._flow(group, Transfer, number, 0.0, str(source), str(target), amount)

    async def _errand(self, group: asyncio.TaskGroup) -> None:
        number = self._number()
        seconds = self._random.choice((0.2, 1.0, 3.0))
        await self._flow(group, Errand, number, seconds, f"errand {number}", seconds)
        for approval in range(NEEDED):
            id = f"approve:{number}:{approval}"
            await self._customer.call(Errand, number, "approve", f"by {approval}", command_id=id)

    async def _voyage(self, group: asyncio.TaskGroup) -> None:
        number, tally = self._number(), str(self._random.randrange(TALLIES))
        seconds = self._random.choice((0.2, 1.0, 3.0))
        cancelled = self._random.random() < 0.5
        await self._flow(group, Voyage, number, seconds, f"voyage {number}", seconds, f"v{tally}", cancelled=cancelled)
        if cancelled:
            await asyncio.sleep(self._random.random() * seconds)
            await self._customer.cancel(Voyage, number, command_id=f"cancel:{number}")

    async def _flow(
        self,
        group: asyncio.TaskGroup,
        kind: type[Transfer] | type[Errand] | type[Voyage],
        number: str,
        least: float,
        *args: object,
        cancelled: bool = False,
    ) -> None:
        await self._room.acquire()
        sent_at = asyncio.get_running_loop().time()
        await self._customer.start(kind, number, *args)

        async def ending() -> None:
            try:
                await self._customer.result(kind, number, sent_at=sent_at, least=least, cancelled=cancelled)
            finally:
                self._room.release()

        group.create_task(ending())

    async def _tally(self, _: asyncio.TaskGroup) -> None:
        tally = str(self._random.randrange(TALLIES))
        count = await self._customer.call(Tally, tally, "add", 1, self._secret, command_id=f"add:{self._number()}")
        if count is not None and self._random.random() < 0.3:
            await self._customer.read(Tally, tally, count)

    async def _say(self, _: asyncio.TaskGroup) -> None:
        tally = str(self._random.randrange(TALLIES))
        await self._customer.send(Tally, tally, "add", 1, command_id=f"say:{self._number()}")

    async def _oddities(self, _: asyncio.TaskGroup) -> None:
        type, name = self._random.choice((("Nobody", "add"), ("Tally", "explode"), ("Tally", "unheard_of")))
        await self._customer.poison(
            type, f"odd-{self._random.randrange(8)}", name, self._secret, f"odd:{self._number()}"
        )
        with suppress(StoreError):  # the listing promises nothing while the database is away
            await self._client.list(limit=20)
        await asyncio.sleep(3 * self._random.random())


async def main(name: str, seed: int, path: Path, role: str, stop: asyncio.Event) -> None:
    """Run one client process."""
    journal = Journal(path)
    async with connect(load_settings()) as client:
        load = Load(name, client, journal, Random(f"{seed} {name}"), stop)
        if role == "opening":
            await load.open_accounts()
        announce("READY=1")
        await load.run()


if __name__ == "__main__":
    logs.configure("warning")
    name_, seed_, path_, role_ = sys.argv[1:]
    serve(lambda stop: main(name_, int(seed_), Path(path_), role_, stop))
