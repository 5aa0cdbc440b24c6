"""Commands of actors and workflows: once, in order, and nothing of a refused one."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from runtime import (
    AlreadyFinished,
    CommandFailed,
    CommandTooOld,
    Conflict,
    NotFound,
)
from runtime.messages import Send, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.faults import Fate, RepeatingBroker
from tests.simulation.world import World, simulate
from tests.unit.runtime.bank import BANK, RAN, Account, Sleeping, Working

ACCOUNT = "Account/a"
FIVE = Raw(b'{"amount":5}')


def test_a_repeated_command_changes_nothing_and_gives_the_first_answer() -> None:
    """Also when the actor was unloaded, and the node is another one, in between."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            assert await client.call(Account, "a", "deposit", 5, command_id="x") == 5
            assert await client.call(Account, "a", "deposit", 5) == 10
            assert await client.call(Account, "a", "deposit", 5, command_id="x") == 5
            await world.until(lambda: node.node.activations == 0, what="passivated")
            assert await client.call(Account, "a", "deposit", 5, command_id="x") == 5
            await node.stop()
            world.node()
            assert await client.call(Account, "a", "deposit", 5, command_id="x") == 5
            assert await client.query(Account, "a", "balance") == 10
        await world.stop_all()

    simulate(story, BANK, idle=2.0)


@pytest.mark.parametrize("loaded", [True, False])
def test_the_same_id_with_other_input_is_a_conflict(loaded: bool) -> None:
    """Whether the first one is remembered in memory or only in the inbox; the order of JSON keys does not matter."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 5, command_id="x")
            if not loaded:
                await world.until(lambda: node.node.activations == 0, what="passivated")
            for name, amount in (("deposit", 6), ("refuse", 5)):
                with pytest.raises(Conflict):
                    await client.call(Account, "a", name, amount, command_id="x")
            assert await client.call("Account", "a", "deposit", input={"amount": 5}, command_id="x") == 5
            assert await client.query(Account, "a", "balance") == 5
        await world.stop_all()

    simulate(story, BANK, idle=2.0)


def test_the_same_workflow_id_with_other_input_is_a_conflict() -> None:
    """For starts and for commands of workflows alike."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            assert await client.start(Sleeping, "1", 60.0) is True
            assert await client.start("Sleeping", "1", input={"seconds": 60.0}) is False
            with pytest.raises(Conflict):
                await client.start(Sleeping, "1", 61.0)
            assert await client.call(Sleeping, "1", "ring", command_id="r") == 1
            assert await client.call(Sleeping, "1", "ring", command_id="r") == 1
            assert await client.query(Sleeping, "1", "rings") == 1
        await world.stop_all()

    simulate(story, BANK)


def test_many_commands_of_one_actor_are_handled_in_order() -> None:
    """In the order in which one client published them, each once, though every message comes twice."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            replies = await asyncio.gather(
                *(client.call(Account, "a", "deposit", n, command_id=f"c{n}") for n in range(300))
            )
            assert replies == [n * (n + 1) // 2 for n in range(300)]
            assert await client.query(Account, "a", "history") == list(range(300))
        await world.stop_all()
        audit_log(world.store, BANK)
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK, broker=RepeatingBroker(), prefetch=50)


def test_a_refused_command_leaves_no_event() -> None:
    """And nothing of it in the state, though it had emitted one before it was refused."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 5)
            for _ in range(2):
                with pytest.raises(CommandFailed, match="no"):
                    await client.call(Account, "a", "refuse", 100, command_id="r")
            assert await client.query(Account, "a", "balance") == 5
            assert await client.call(Account, "a", "deposit", 1) == 6
        await world.stop_all()
        assert types_of(world.store, ACCOUNT) == ["Deposited", "Deposited"]

    simulate(story, BANK)


def test_a_finished_workflow_still_answers() -> None:
    """Its result and queries for ever, commands that it had handled with their replies, new ones with a refusal."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Sleeping, "1", 5.0)
            await client.call(Sleeping, "1", "ring", command_id="r")
            assert await client.result(Sleeping, "1") == 5.0
            await world.until(lambda: node.node.activations == 0, what="unloaded")
            assert await client.result(Sleeping, "1") == 5.0
            assert await client.query(Sleeping, "1", "rings") == 1
            assert await client.call(Sleeping, "1", "ring", command_id="r") == 1
            assert await client.start(Sleeping, "1", 5.0) is False
            with pytest.raises(AlreadyFinished):
                await client.call(Sleeping, "1", "ring", command_id="new")
        await world.stop_all()

    simulate(story, BANK)


def test_what_does_not_exist_is_not_found() -> None:
    """For commands, queries and results of workflows; an actor exists as soon as somebody speaks of it."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            for asking in (
                client.call(Sleeping, "none", "ring"),
                client.query(Sleeping, "none", "rings"),
                client.result(Sleeping, "none"),
            ):
                with pytest.raises(NotFound):
                    await asking
            assert await client.query(Account, "none", "balance") == 0
        await world.stop_all()
        assert not world.store.log.streams

    simulate(story, BANK)


def test_a_command_older_than_the_inbox_remembers_is_refused() -> None:
    """It can't be told from a repetition; one that is still remembered is answered."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            sent_at = world.now()
            await client.call(Account, "a", "deposit", 1, command_id="x")
            await world.pass_time(100)
            client._calls._now = lambda: sent_at
            with pytest.raises(CommandTooOld):
                await client.call(Account, "a", "deposit", 1, command_id="old")
            assert await client.query(Account, "a", "balance") == 1
        await world.stop_all()

    simulate(story, BANK, inbox_days=0.001)


def test_an_answer_never_comes_before_what_it_tells_is_durable() -> None:
    """A query on a state whose commit is under way waits for it; if that is lost, the answer does not show it."""

    async def story(world: World) -> None:
        node = world.node()
        await world.served(node)
        async with world.client() as client:
            await client.call(Account, "a", "deposit", 1)
            node.store.plan = lambda method: Fate.NOT_DONE if method == "commit" else Fate.GOOD
            depositing = asyncio.ensure_future(client.call(Account, "a", "deposit", 10, timeout=60))
            asking = asyncio.ensure_future(client.query(Account, "a", "balance", timeout=60))
            await world.pass_time(20)
            assert not depositing.done()
            assert not asking.done()
            node.store.plan = lambda _: Fate.GOOD
            assert await depositing == 11
            assert await asking == 11
        await world.stop_all()

    simulate(story, BANK)


def test_a_message_in_the_wrong_queue_finds_its_partition() -> None:
    """A publisher may be wrong about the partition, or send by way of the ingress."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client, world.client(partitions=None) as ignorant:
            wrong = 1 - partition_of(ACCOUNT, 2)
            body = encode_message(Send(type="Account", id="a", name="deposit", command_id="x", input=FIVE))
            await client._asker.publisher.publish(Message(Destination.COMMANDS, str(wrong), body))
            await world.until(lambda: ACCOUNT in world.store.log.streams)
            assert await ignorant.call(Account, "a", "deposit", 7) == 12
            assert await ignorant.execute(Sleeping, "1", 1.0) == 1.0
        await world.stop_all()
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK)


def test_a_dead_lettered_command_is_brought_back() -> None:
    """The broker gave up on it; Postgres has not seen it, so it is still to be done."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            body = encode_message(Send(type="Account", id="a", name="deposit", command_id="x", input=FIVE))
            await client._asker.publisher.publish(Message(Destination.DEAD, "perdure.commands.1", body))
            await world.until(lambda: ACCOUNT in world.store.log.streams)
            assert await client.query(Account, "a", "balance") == 5
        await world.stop_all()
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK)


def test_a_task_whose_queue_was_purged_is_published_again() -> None:
    """The broker is a doorbell: what Postgres says is unfinished comes again after a while."""

    async def story(world: World) -> None:
        RAN.clear()
        world.node()
        async with world.client() as client:
            await client.start(Working, "1", "purged")
            await world.until(lambda: world.broker.depth(Destination.TASKS, "default") == 1)
            world.broker.find("perdure.tasks.default").ready.clear()  # type: ignore[union-attr]  # it is there
            world.worker()
            assert await client.result(Working, "1", timeout=200) == "purged done"
            assert RAN == ["purged 1"]
        await world.stop_all()
        audit_rest(world.store, world.broker, BANK.task_queues)

    simulate(story, BANK, sweep_after=20.0)
