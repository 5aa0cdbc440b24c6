"""A peer that runs: the processes it is made of, and the one that takes jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from msgspec import Struct

from runtime.bench.figures import Measurement
from runtime.bench.jobs import Done, Job
from runtime.bench.members import BenchFailed, ClientProcess, Member
from runtime.bench.servers import Servers
from runtime.bench.stage import summed_up
from runtime.bench.usage import Usage, read_usage

APPS = Path(__file__).with_name("apps")
_SILENCE = 120.0  # seconds beyond a job's own time in which it has to be done


class Rival:
    """One peer's processes. Its part in a contest is the same job that Perdure gets."""

    def __init__(self, name: str, client: ClientProcess, roles: Callable[[], dict[str, list[int]]]) -> None:
        self.name, self._client, self._roles = name, client, roles

    async def run(self, job: Job) -> Done:
        """Have a job done. Raises `BenchFailed`."""
        self._client.give(job)
        report = await self._client.hear((job.seconds or 0.0) + _SILENCE)
        if not isinstance(report, Done):
            raise BenchFailed(f"{self._client.name} said {report} where it should say that a job is done")
        return report

    async def measure(self, name: str, unit: str, job: Job, *, units: int = 1) -> Measurement:
        """Do a job and sum it up; `units` is how many units one request stands for."""
        before = self.usage()
        done = await self.run(job)
        return summed_up(self.name, name, unit, done, self.usage().since(before), units=units)

    def usage(self) -> Usage:
        """Read what each role has used until now."""
        return read_usage(self._roles())


class Peer(Struct, frozen=True):
    """Something to compare with."""

    key: str  # restate
    title: str
    opened: Callable[[Servers, Path], AbstractAsyncContextManager[Rival]]
    install: Callable[[], Awaitable[object]]
    settings: dict[str, str]  # what it was set to, and why: for the report


@asynccontextmanager
async def ended(*members: Member) -> AsyncIterator[None]:
    """End processes with the block, the last one first."""
    async with AsyncExitStack() as stack:
        for member in members:
            stack.push_async_callback(_stop, member)
        yield


async def _stop(member: Member) -> None:
    await asyncio.shield(member.stop())


def script(python: Path, name: str, *arguments: str) -> Sequence[str]:
    """Give the command that runs a script of `apps` with a peer's Python."""
    return [str(python), "-P", str(APPS / f"{name}.py"), *arguments]


ENVIRONMENT = {"PYTHONPATH": str(APPS)}  # in place of the one with Perdure in it
