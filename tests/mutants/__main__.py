# ruff: noqa: T201 - a command prints
"""`make mutants`: plant each bug, and see that its suite finds it, and for the right reason.

The last line is `caught N of M`; the status is 1 when a mutant survives, or a suite fails without any bug.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import msgspec

from tests.mutants.catalogue import MUTANTS
from tests.mutants.child import RUN, Found
from tests.mutants.mutant import Mutant, Seeds, Tests
from tests.mutants.planting import ROOT, TargetGone
from tests.shared_servers import shared_server

AT_ONCE = 2
PATIENCE = 200.0  # seconds for one suite


class ChildFailed(Exception):
    """A suite could not be run to its end."""


SERVERS = {"postgres": "PERDURE_TEST_DATABASE_URL", "rabbitmq": "PERDURE_TEST_BROKER_URL"}


def main() -> int:
    """Hold one server of each kind, unless it is given, and run all of it; gives the exit status."""
    run = os.environ[RUN] = secrets.token_hex(6)
    with ExitStack() as stack, ThreadPoolExecutor() as starting:
        held = [shared_server(kind, run) for kind, given in SERVERS.items() if not os.environ.get(given)]
        for server, _ in zip(held, starting.map(lambda server: server.__enter__(), held), strict=True):
            stack.push(server)
        return asyncio.run(run_all())


async def run_all() -> int:
    """Plant each bug in a process of its own; gives the exit status."""
    began = time.monotonic()
    try:
        for mutant in MUTANTS:
            for edit in mutant.edits:
                edit.check()
    except TargetGone as gone:
        print(gone)
        print(f"caught 0 of {len(MUTANTS)}")
        return 1
    room = asyncio.Semaphore(AT_ONCE)
    controls = asyncio.ensure_future(_control_tests(room))
    caught = await asyncio.gather(*(_try(mutant, room) for mutant in MUTANTS))
    seeds = max((run for _, run in caught), default=0)
    try:
        clean = all([await controls, await _control_seeds(room, seeds)])
    except ChildFailed as error:
        print(f"the suites could not be run without any bug: {error}")
        clean = False
    print(f"{time.monotonic() - began:.0f} s")
    print(f"caught {sum(good for good, _ in caught)} of {len(MUTANTS)}")
    return 0 if clean and all(good for good, _ in caught) else 1


async def _try(mutant: Mutant, room: asyncio.Semaphore) -> tuple[bool, int]:
    """Say whether it was caught, and how many seeds that took."""
    try:
        found = await _child(room, mutant.name)
    except ChildFailed as error:
        print(f"NOT CAUGHT  {mutant.name}: its suite could not be run: {error}", flush=True)
        return False, 0
    run = found.run if isinstance(mutant.suite, Seeds) else 0
    right = [what for what, message in found.failures.items() if re.search(mutant.reason, message, re.DOTALL)]
    if right:
        print(f"caught      {mutant.name}, by {right[0]}", flush=True)
        return True, run
    print(f"NOT CAUGHT  {mutant.name}: {mutant.breaks}; {found.run} run, no failure that matches {mutant.reason!r}")
    for what, message in found.failures.items():
        print(f"            another failure, {what}: {message[:300]}", flush=True)
    return False, run


async def _control_tests(room: asyncio.Semaphore) -> bool:
    nodes = sorted({node for mutant in MUTANTS if isinstance(mutant.suite, Tests) for node in mutant.suite.nodes})
    return _is_clean(await _child(room, "--control-tests", *nodes), len(nodes))


async def _control_seeds(room: asyncio.Semaphore, seeds: int) -> bool:
    halves = [(0, seeds // 2), (seeds // 2, seeds - seeds // 2)]
    found = await asyncio.gather(*(_child(room, "--control-seeds", str(a), str(n)) for a, n in halves if n))
    return all(_is_clean(each, n) for each, (_, n) in zip(found, [h for h in halves if h[1]], strict=True))


def _is_clean(found: Found, wanted: int) -> bool:
    for what, message in found.failures.items():
        print(f"FAILS WITHOUT ANY BUG  {what}: {message[:300]}", flush=True)
    if found.run < wanted:  # a name may stand for several cases of one test
        print(f"the control ran {found.run} instead of {wanted}", flush=True)
    return not found.failures and found.run >= wanted


async def _child(room: asyncio.Semaphore, *arguments: str) -> Found:
    async with room:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.mutants.child", *arguments,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                output, _ = await child.communicate()
        except TimeoutError:
            raise ChildFailed(f"it took more than {PATIENCE:g} s") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    text = output.decode(errors="replace").strip()
    found = [line for line in text.splitlines() if line.startswith('{"failures"')]  # the end of Python may say more
    if child.returncode != 0 or not found:
        raise ChildFailed(text[-2000:])
    return msgspec.json.decode(found[-1], type=Found)


if __name__ == "__main__":
    sys.exit(main())
