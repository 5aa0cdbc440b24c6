"""Requests that are said again when what they were said to is gone or was taken back, and what a retried run shows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Raw

from actors import App, Failure, Workflow, command, task
from actors.execution import Execution
from actors.journal import Caller, ErrorInfo
from runtime import CommandInvalid, Conflict, InstanceStuck
from runtime.hosting.activation import Activation
from runtime.messages import Inbound, Start, TaskOutcome, encode_message
from runtime.routing import partition_of
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, types_of
from tests.simulation.world import World, simulate
from tests.unit.actors.stage import kind_of, raw


class Closed(Failure):
    """The bank is closed."""


class Code:
    """Whether the bank is open, and the code is wrong."""

    is_open = wrong = False


@pytest.fixture(autouse=True)
def _closed() -> None:
    Code.is_open = Code.wrong = False


@task
async def pay(n: int) -> int:
    if not Code.is_open:
        raise Closed("closed")
    return n


class Pay(Workflow):
    """Notes for searches that it failed."""

    async def run(self, n: int) -> int:
        try:
            return await pay(n)
        except Exception:
            self.set_search_attributes(state="failed")
            raise


class Kid(Workflow):
    async def run(self, n: int) -> int:
        return n


class Parent(Workflow):
    async def run(self) -> int:
        return int(await self.execute(Kid, "kid", n=1))


class Odd(Workflow):
    """Its code is wrong after the first command."""

    def __init__(self) -> None:
        self.begun = False

    async def run(self) -> int:
        paid = asyncio.ensure_future(pay(1))
        await self.until(lambda: self.begun)
        if Code.wrong:
            raise ZeroDivisionError
        return await paid

    @command
    def begin(self) -> None:
        self.begun = True


APP = App(actors=[Pay, Kid, Parent, Odd], tasks=[pay])


async def publish(client: Any, content: Inbound) -> None:
    """Say something as a worker or another instance would."""
    key = str(partition_of(f"{content.type}/{content.id}", 2))
    await client._asker.publisher.publish(Message(Destination.COMMANDS, key, encode_message(content)))


def test_search_attributes_of_a_turn_that_was_taken_back_are_not_shown() -> None:
    """They are those of the run as it goes on."""

    async def story(world: World) -> None:
        world.node()
        world.worker()
        async with world.client() as client:
            await client.start(Pay, "1", 5)
            await world.until(lambda: "RunFailed" in types_of(world.store, "Pay/1"))
            (row,) = await client.list(Pay)
            assert row.execution.attributes == {"state": "failed"}
            Code.is_open = True
            assert await client.corrections.retry(Pay, "1")
            assert await client.result(Pay, "1") == 5
            (row,) = await client.list(Pay)
            assert not row.execution.attributes
        audit_log(world.store, APP)

    simulate(story, APP)


@pytest.mark.parametrize("dies", [False, True], ids=["", "dies"])
def test_a_step_that_was_made_to_fail_does_not_fail_again_after_a_retry(dies: bool) -> None:
    """The request that settled it was carried out, though its turn was taken back."""

    async def story(world: World) -> None:
        node = world.node()
        async with world.client() as client:
            await client.start(Pay, "1", 5)
            await client.corrections.skip(Pay, "1", 1, fail="no", command_id="s")
            assert await client.corrections.retry(Pay, "1", command_id="r")
            if dies:
                node.die()
                world.node()
            await client.corrections.skip(Pay, "1", 1, fail="no", command_id="s")
            assert types_of(world.store, "Pay/1").count("RunFailed") == 1
            Code.is_open = True
            world.worker()
            assert await client.result(Pay, "1") == 5
        audit_log(world.store, APP)

    simulate(story, APP)


def test_what_was_done_by_hand_to_a_deleted_instance_does_not_hit_the_new_one() -> None:
    """Said again it gets its first answer; an id that was used is not used for something else."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            by_hand = client.corrections
            await client.start(Pay, "1", 5)
            assert await by_hand.pause(Pay, "1", command_id="p")
            assert await by_hand.resume(Pay, "1", command_id="u")
            await by_hand.skip(Pay, "1", 1, result=1, command_id="s")
            await client.delete(Pay, "1")
            assert await by_hand.pause(Pay, "1", command_id="p")
            await client.start(Pay, "1", 6)
            assert await by_hand.pause(Pay, "1", command_id="p")
            await by_hand.skip(Pay, "1", 2, result=1, command_id="another")
            with pytest.raises(Conflict):
                await by_hand.resume(Pay, "1", command_id="p")
            types = types_of(world.store, "Pay/1")
            assert types == ["InstanceDeleted", "RunStarted", "TaskScheduled", "TaskCompleted", "RunCompleted"]
        audit_log(world.store, APP)

    simulate(story, APP)


def test_a_child_that_was_deleted_and_begun_anew_by_others_is_told_as_it_ended() -> None:
    """The parent that asks once more, because the answer was lost, hears of its own child, and of no conflict."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Parent, "1")
            assert await client.result(Parent, "1") == 1
            await client.delete(Kid, "kid")
            await client.start(Kid, "kid", 2)
            await world.until(lambda: not _outcomes(world))
            caller = Caller("Parent/1", 1)
            again = Start(type="Kid", id="kid", input=Raw(b'{"n":1}'), command_id=caller.key, caller=caller)
            await publish(client, again)
            await world.until(lambda: bool(_outcomes(world)))
            assert b'"result":1' in _outcomes(world)[0]
        audit_log(world.store, APP)

    simulate(story, APP)


def _outcomes(world: World) -> list[bytes]:
    rows = (row.body for partition in world.store.log.partitions for row in partition.outbox.values())
    return [body for body in rows if b'"child_outcome"' in body]


def test_a_retry_of_a_stuck_run_that_fails_when_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused for what it is, without a handler that crashes."""
    crashed: list[ErrorInfo] = []
    monkeypatch.setattr(Activation, "_crashed", lambda *said: crashed.append(said[-1]))
    Code.wrong = True

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Odd, "1")
            with pytest.raises(InstanceStuck):
                await client.call(Odd, "1", "begin")
            failed = TaskOutcome(type="Odd", id="1", task=1, attempt=1, error=ErrorInfo("E", "no"), retryable=False)
            await publish(client, failed)
            await world.until(lambda: "TaskFailed" in types_of(world.store, "Odd/1"))
            Code.wrong = False
            with pytest.raises(CommandInvalid, match="Resumed made it fail"):
                await client.corrections.retry(Odd, "1")
        assert not crashed

    simulate(story, APP)


@pytest.mark.parametrize("timeout", [0.1234567, 60.0, 3600.0000004])
def test_a_deadline_that_fires_at_its_very_microsecond_counts(timeout: float) -> None:
    """Its timer is kept to the microsecond, and goes when it has fired: it must not be found too early then."""
    kind = kind_of(Kid)
    for moment in range(50):
        execution = Execution(kind, "Kid/1")
        started_at = datetime.fromtimestamp(1_780_000_000, UTC).replace(microsecond=moment * 19_937)
        turn = execution.start(raw({"n": 1}), "s", started_at.timestamp(), timeout=timeout)
        execution.ledger.outcome = None
        (row, *_) = turn.timers_set
        fired = execution.timer_fired(row.number, datetime.fromtimestamp(row.due, UTC).timestamp())
        assert [event.type for event in fired.events] == ["RunTimedOut"]
        execution.dispose()
