"""The client asks again for whatever is lost on the way, and says so when nothing helps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime import AnswerTimeout, ClientBroken, CommandInvalid, ConfigurationError
from runtime.transport.port import Destination
from tests.simulation.faults import Fate, every
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, Account, Sleeping


def test_lost_replies_are_asked_for_again() -> None:
    """The node answers into nothing for a while; each command is applied once all the same."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        post = node.transport.post
        lost: list[Any] = []

        def lose_first(messages: Any) -> None:
            if len(lost) < 2:
                lost.append(messages)
            else:
                post(messages)

        node.transport.post = lose_first  # type: ignore[method-assign]  # a fault
        async with world.client() as client:
            assert await client.call(Account, "a", "deposit", 5, timeout=60) == 5
            assert await client.query(Account, "a", "balance") == 5
        assert len(lost) == 2
        await world.stop_all()

    simulate(story, BANK)


def test_a_client_whose_connection_is_lost_gets_its_answer() -> None:
    """Its reply queue went with the connection; it makes another one and asks again."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            waiting = asyncio.ensure_future(client.execute(Sleeping, "1", 20.0, timeout=120))
            for _ in range(4):
                await world.pass_time(4)
                client._transport.drop()  # type: ignore[attr-defined]  # the memory transport's fault
            assert 20.0 <= await waiting < 21.0
        await world.stop_all()

    simulate(story, BANK)


def test_closing_a_client_ends_the_waits_of_its_callers() -> None:
    """Nobody waits for an answer that can't come any more."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Sleeping, "1", 500.0)
            waiting = asyncio.ensure_future(client.result(Sleeping, "1"))
            await world.pass_time(1)
        with pytest.raises(AnswerTimeout, match="closed"):
            await waiting
        await world.stop_all()

    simulate(story, BANK)


def test_a_mistake_of_the_client_s_own_is_told_to_everybody() -> None:
    """Who waits, and who comes later: a mute client would let them wait for ever."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            waiting = asyncio.ensure_future(client.execute(Sleeping, "1", 20.0))
            await world.pass_time(1)

            def mistake(correlation_id: str | None, body: bytes) -> None:
                raise ZeroDivisionError("a mistake")

            client._asker.answered = mistake  # type: ignore[method-assign]  # planted
            with pytest.raises(ClientBroken, match=r"client replies.*ZeroDivisionError"):
                await client.call(Account, "a", "deposit", 5)
            with pytest.raises(ClientBroken, match="Make another client"):
                await waiting
            with pytest.raises(ClientBroken):
                await client.query(Account, "a", "balance")
        await world.stop_all()

    simulate(story, BANK)


@pytest.mark.parametrize("fate", [Fate.NOT_DONE, Fate.ANSWER_LOST])
def test_publishes_without_confirm_are_repeated(fate: Fate) -> None:
    """With the same command id, so nothing happens twice."""

    async def story(world: World) -> None:
        world.node()
        async with world.client(plan=every(2, fate, "publish", first=1)) as client:
            for n in range(5):
                await client.send(Account, "a", "deposit", 1, command_id=f"s{n}")
                assert await client.call(Account, "a", "deposit", 1, timeout=60) == 2 * n + 2
        await world.stop_all()

    simulate(story, BANK)


def test_no_answer_in_time_is_said_and_can_be_learnt_later() -> None:
    """Unknown, not no: the command waits in its queue, and the same id gives its answer."""

    async def story(world: World) -> None:
        world.node()
        await world.stop_all()
        async with world.client() as client:
            with pytest.raises(AnswerTimeout, match="may or may not"):
                await client.call(Account, "a", "deposit", 5, command_id="x", timeout=10)
            assert world.elapsed < 20
            world.node()
            assert await client.call(Account, "a", "deposit", 5, command_id="x", timeout=10) == 5
            assert await client.call(Account, "a", "deposit", 5, timeout=10) == 10
        await world.stop_all()

    simulate(story, BANK)


def test_many_wait_for_one_result() -> None:
    """Each of them hears it, and nobody polls."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as one, world.client() as two:
            await one.start(Sleeping, "1", 10.0)
            waiting = [asyncio.ensure_future(client.result(Sleeping, "1")) for client in (one, two) for _ in range(20)]
            assert len({await result for result in waiting}) == 1
        await world.stop_all()
        assert all(world.broker.depth(Destination.COMMANDS, str(n)) == 0 for n in range(2))

    simulate(story, BANK)


def test_what_can_be_known_before_sending_is_refused_here() -> None:
    """Ids, argument types, NaN; and listing without a database."""

    async def story(world: World) -> None:
        async with world.client() as client:
            for wrong in (
                client.call(Account, "a", "deposit", "much"),
                client.call(Account, "a", "deposit", input={"amount": float("nan")}),
                client.start("Sleeping", "1", input={"seconds": float("nan")}),
                client.query(Account, "a", "nothing"),
            ):
                with pytest.raises(CommandInvalid):
                    await wrong
            for id in ("", "a/b", "a b", "x" * 500):
                with pytest.raises(Exception, match="not allowed"):
                    await client.call(Account, id, "deposit", 1)
            client._store = None
            with pytest.raises(ConfigurationError):
                await client.list()

    simulate(story, BANK)


def test_a_store_outage_in_the_middle_delays_and_loses_nothing() -> None:
    """Nothing can be read, written or leased for a while; then everything goes on."""

    async def story(world: World) -> None:
        node = world.node()
        world.worker()
        await world.served(node)
        async with world.client() as client:
            deposits = [
                asyncio.ensure_future(client.call(Account, f"{n % 7}", "deposit", 1, timeout=300)) for n in range(70)
            ]
            works = [
                asyncio.ensure_future(client.execute("Working", f"{n}", input={"name": f"{n}"}, timeout=300))
                for n in range(20)
            ]
            await world.until(lambda: world.store.log.streams)
            node.store.plan = node.leases.plan = lambda _: Fate.NOT_DONE
            await world.pass_time(30)
            node.store.plan = node.leases.plan = lambda _: Fate.GOOD
            await asyncio.gather(*deposits)
            assert await asyncio.gather(*works) == [f"{n} done" for n in range(20)]
            assert [await client.query(Account, f"{n}", "balance") for n in range(7)] == [10] * 7
        await world.stop_all()

    simulate(story, BANK)
