"""The demo from beginning to end: servers, processes, orders, kills, audit."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from rich.console import Console

from actors import RunFailed
from runtime.cli.errors import CommandLineError
from runtime.client import Client
from runtime.demo.audit import OrderBook, judge
from runtime.demo.chaos import Kill, plan_kills
from runtime.demo.crew import Crew, CrewFailed
from runtime.demo.evidence import gather_evidence
from runtime.demo.orders import Order, all_orders, all_products
from runtime.demo.places import Places, embedded, over_rabbitmq
from runtime.demo.progress import Display, Tally
from runtime.demo.report import json_line, print_next, print_verdict
from runtime.demo.shop import create_shop
from runtime.demo.workflow import OrderRejected, ProcessOrder
from runtime.errors import AnswerTimeout
from runtime.settings import load_settings
from runtime.transport.port import TransportError

IN_FLIGHT = 150  # orders that are under way at once
PATIENCE = {
    "PERDURE_LEASE_TTL": "3",  # seconds: how soon a killed node is missed
    "PERDURE_SWEEP_AFTER": "10",  # the tasks take milliseconds, so one that is silent for so long went down with a process
}


class Options(Struct, frozen=True, kw_only=True):
    """What `perdure demo` was asked for."""

    rabbitmq: bool = False
    seed: int | None = None
    kills: int = 8
    data: Path | None = None
    limit: float = 180.0
    json: bool = False


async def run_demo(options: Options) -> bool:
    """Run it; says whether every figure is right.

    Raises:
        CommandLineError: it could not be run, or was not finished in time.
    """
    started = time.monotonic()
    # With --json, standard output is the figures' alone.
    console = Console(stderr=options.json, emoji=False)
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    folder = (options.data or Path(".perdure", "demo-rabbitmq" if options.rabbitmq else "demo")).absolute()
    places_of = over_rabbitmq if options.rabbitmq else embedded
    tally = Tally(len(all_orders()))
    console.print(f"{tally.orders} orders, {options.kills} kills, seed {seed}", highlight=False)
    try:
        async with asyncio.timeout(options.limit):
            async with places_of(folder) as places:
                console.print(f"On {places.what}: two nodes, two workers, a warehouse.", highlight=False)
                await _prepare(places)
                kills = plan_kills(seed, tally.orders, options.kills)
                await _process(places, console, tally, kills, folder / "logs")
                evidence = await gather_evidence(places.shop, places.log)
    except TimeoutError:
        raise CommandLineError(
            f"the demo was not finished within {options.limit:g} s: {tally.ended} of {tally.orders} orders ended; "
            f"the logs are in {folder / 'logs'}, the seed was {seed}"
        ) from None
    verdict = judge(evidence, OrderBook(all_orders(), all_products()), tally.kills)
    seconds = time.monotonic() - started
    print_verdict(console, verdict, evidence, tally.kills, seconds)
    print_next(console, evidence.most_moved, places.reopen)
    if options.json:
        sys.stdout.write(json_line(verdict, tally.kills, seconds) + "\n")
    return not verdict.faults


async def _prepare(places: Places) -> None:
    from runtime.assembly import migrate
    from runtime.demo import app

    await migrate(load_settings(places.environment()), app)
    await create_shop(places.shop, all_orders(), all_products())


async def _process(places: Places, console: Console, tally: Tally, kills: Sequence[Kill], logs: Path) -> None:
    """Bring all orders to their end while processes die."""
    from runtime.assembly import connect

    _empty(logs)
    with tempfile.TemporaryDirectory(prefix="perdure-") as sockets:  # a socket's path must be short
        crew = Crew(places.environment() | PATIENCE, logs, Path(sockets))
        try:
            async with connect(load_settings(places.environment())) as client:
                with Display(console, tally) as display:
                    await _while_kept(crew, client, display, tally, kills)
        finally:
            await asyncio.shield(crew.stop())


def _empty(logs: Path) -> None:
    try:
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
    except OSError as error:
        raise CommandLineError(f"{logs} can't be written: {error.strerror}; name another folder with --data") from None


async def _while_kept(crew: Crew, client: Client, display: Display, tally: Tally, kills: Sequence[Kill]) -> None:
    keeping = asyncio.create_task(crew.keep(), name="crew")
    working = asyncio.create_task(_work(crew, client, display, tally, kills), name="orders")
    try:
        await asyncio.wait([keeping, working], return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            await keeping
        await working
    except* CrewFailed as failed:
        raise CommandLineError(str(failed.exceptions[0])) from None
    finally:
        for task in (working, keeping):
            task.cancel()
        await asyncio.gather(working, keeping, return_exceptions=True)


async def _work(crew: Crew, client: Client, display: Display, tally: Tally, kills: Sequence[Kill]) -> None:
    await crew.ready()
    async with asyncio.TaskGroup() as group:
        group.create_task(_kill(crew, display, tally, kills), name="chaos")
        slots = asyncio.Semaphore(IN_FLIGHT)
        for order in all_orders():
            await slots.acquire()
            ending = group.create_task(_bring_to_end(client, order, tally, display), name=f"order-{order.order_id}")
            ending.add_done_callback(lambda _: slots.release())


async def _bring_to_end(client: Client, order: Order, tally: Tally, display: Display) -> None:
    """Start an order and wait for its result. No answer is no reason to stop: asking again with the same id is safe."""
    while True:
        try:
            await client.execute(ProcessOrder, str(order.order_id), order)
        except (AnswerTimeout, TransportError):
            continue
        except RunFailed as failed:
            if failed.type != OrderRejected.__name__:
                raise CommandLineError(str(failed)) from failed
            await tally.count(refused=True)
        else:
            await tally.count(refused=False)
        display.update()
        return


async def _kill(crew: Crew, display: Display, tally: Tally, kills: Sequence[Kill]) -> None:
    for kill in kills:
        await tally.reaches(kill.after)
        await asyncio.sleep(kill.delay)
        victim = await crew.victim(kill.role, kill.pick)
        pid = victim.kill()
        tally.kills += 1
        display.say(f"  killed {victim.name} (pid {pid}) with {tally.ended} of {tally.orders} orders ended")
        display.update()
