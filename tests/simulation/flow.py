"""The workflow that does what its input says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from actors import CallFailed, ChildFailed, PromiseFailed, Saga, Workflow, command, query
from tests.simulation.deed import Deed
from tests.simulation.tasks import Mistake, Refused, give_back, item, note, refuse, take, work
from tests.simulation.vault import Vault


class Flow(Workflow):
    """Does what its input says; its result tells of each deed."""

    def __init__(self) -> None:
        self.pokes: list[str] = []
        self.done = 0
        self.last = False  # this is the last run

    async def run(self, deeds: list[Deed]) -> list[Any]:
        self.last = not any(deed.do == "again" for deed in deeds)
        results = []
        for place, deed in enumerate(deeds, 1):
            if deed.do == "again":
                self.continue_as_new(deeds[place:])
            results.append(await self._do(deed))
            self.done += 1
        return results

    async def _do(self, deed: Deed) -> Any:
        return await _DO[deed.do](self, deed)

    # -- one method a kind of deed; what each gives is checked by the verdict ------------------------------------------

    async def _note(self, deed: Deed) -> Any:
        return await note(deed.fails, deed.seconds)

    async def _work(self, deed: Deed) -> Any:
        return await work(deed.fails, deed.seconds)

    async def _refuse(self, deed: Deed) -> Any:
        try:
            await refuse()
        except Refused as error:
            return str(error)

    async def _sleep(self, deed: Deed) -> Any:
        return await asyncio.sleep(deed.seconds, "slept")

    async def _wait(self, deed: Deed) -> Any:
        try:
            await self.until(lambda: len(self.pokes) >= deed.count, timeout=deed.seconds or None)
        except TimeoutError:
            return "nobody came"
        return "poked"

    async def _together(self, deed: Deed) -> Any:
        if not any(each.do in {"hold", "saga"} for each in deed.deeds):
            return await asyncio.gather(*(self._do(each) for each in deed.deeds))
        async with (
            asyncio.TaskGroup() as group
        ):  # waits for the clean-up of all, which a gather that is cancelled does not
            doing = [group.create_task(self._do(each)) for each in deed.deeds]
        return [each.result() for each in doing]

    async def _race(self, deed: Deed) -> Any:
        try:
            async with asyncio.timeout(deed.seconds):
                return await self._do(deed.deeds[0])
        except TimeoutError:
            return "too late"

    async def _shield(self, deed: Deed) -> Any:
        """Do something that goes to its end, whatever becomes of who waits for it."""
        return await asyncio.shield(self._do(deed.deeds[0]))

    async def _spite(self, deed: Deed) -> Any:
        """Do something, and ignore a cancellation."""
        try:
            return await self._do(deed.deeds[0])
        except asyncio.CancelledError:
            return "ignored"

    async def _hold(self, deed: Deed) -> Any:
        """Do something while holding something, which is given back whatever happens."""
        try:
            await take(deed.id)
            return await self._do(deed.deeds[0])
        finally:
            await asyncio.shield(give_back(deed.id, deed.fails))

    async def _child(self, deed: Deed) -> Any:
        if deed.how == "await":
            return await _told(self.execute(Flow, deed.id, deed.deeds, on_close=deed.on_close))
        child = self.start_child(Flow, deed.id, deed.deeds, on_close=deed.on_close)
        if deed.how == "leave":
            return "left"
        if deed.seconds:
            await asyncio.sleep(deed.seconds)
        if deed.how == "cancel":
            child.cancel("its parent changed its mind")
        return await _told(child)

    async def _call(self, deed: Deed) -> Any:
        return await _told(self.actor(Vault, deed.id).put(deed.count))

    async def _poke(self, deed: Deed) -> Any:
        return await _told(self.actor(Flow, deed.id).poke(f"{self.id} {deed.count}", deed.seconds))

    async def _tell(self, deed: Deed) -> Any:
        self.tell(Vault, deed.id).put(deed.count)
        return "told"

    async def _promise(self, deed: Deed) -> Any:
        try:
            async with asyncio.timeout(deed.seconds):
                return await self.promise(deed.id, int)
        except TimeoutError:
            return "nobody"
        except PromiseFailed as failed:
            return failed.message

    async def _map(self, deed: Deed) -> Any:
        return await self.map(item, [deed.fails] * deed.count, at_most=3)

    async def _saga(self, deed: Deed) -> Any:
        """Move money between vaults, or not at all."""
        try:
            async with Saga() as saga:
                for place, step in enumerate(deed.deeds):
                    ref = f"{self.id} {deed.id} {place}"
                    saga.compensate(self._undo, step.id, ref)  # before: a cancelled call is carried out all the same
                    await self.actor(Vault, step.id).put(step.count, ref)
                    if step.seconds:
                        await asyncio.sleep(step.seconds)
                if deed.count:
                    await self._bug(deed)
                if deed.fails:
                    await refuse()
        except (CallFailed, Refused):
            return "undone"
        return "done"

    async def _undo(self, vault: str, ref: str) -> None:
        await self.actor(Vault, vault).undo(ref)

    async def _mark(self, deed: Deed) -> Any:
        self.set_search_attributes(mark=deed.count, **{f"m{deed.count % 2}": True})
        return "marked"

    async def _bug(self, deed: Deed) -> Any:
        if Mistake.is_there:
            raise ZeroDivisionError("this code is broken on purpose")
        return "mended"

    @command
    async def poke(self, who: str, seconds: float) -> int:
        """Count up, and answer after a while."""
        self.pokes.append(who)
        number = len(self.pokes)
        if seconds:
            await asyncio.sleep(seconds)
        return number

    @command(carry_over=True)
    async def listen(self) -> str:
        """Wait for the last run."""
        await self.until(lambda: self.last)
        return "heard"

    @query
    def state(self) -> tuple[list[str], int]:
        return self.pokes, self.done


async def _told(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except ChildFailed as failed:
        return [type(failed).__name__, failed.type]
    except CallFailed as failed:
        return [type(failed).__name__, failed.type]


_DO: dict[str, Callable[[Flow, Deed], Awaitable[Any]]] = {
    "note": Flow._note, "work": Flow._work, "refuse": Flow._refuse, "sleep": Flow._sleep, "wait": Flow._wait,
    "together": Flow._together, "race": Flow._race, "shield": Flow._shield, "spite": Flow._spite, "hold": Flow._hold,
    "child": Flow._child, "call": Flow._call, "tell": Flow._tell, "poke": Flow._poke, "promise": Flow._promise,
    "map": Flow._map, "saga": Flow._saga, "mark": Flow._mark, "bug": Flow._bug,
}  # fmt: skip
