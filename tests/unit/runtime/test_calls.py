"""Commands between actors across partitions: answers, refusals, order, repetition, and what is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest
from msgspec import Raw, Struct

from actors import Actor, App, CallFailed, Rejected, RunFailed, Workflow, command, event, query
from actors.journal import Caller
from runtime import CommandFailed
from runtime.messages import CommandOutcome, Send, decode_inbound, encode_message
from runtime.routing import partition_of
from runtime.schedules import include_schedules
from runtime.transport.port import Destination, Message
from tests.simulation.audit import audit_log, audit_rest, types_of
from tests.simulation.world import World, simulate
from tests.unit.runtime.test_children import LossyBroker


class Noted(Struct):
    what: str


class Page(Struct):
    lines: list[str] = []


class Notes(Actor):
    state: Page

    @command
    def note(self, what: str) -> int:
        if what == "nonsense":
            raise Rejected("that is nonsense", {"what": what})
        if what == "crash":
            raise ZeroDivisionError
        self.emit(Noted(what))
        return len(self.state.lines)

    @command
    def pass_on(self, to: str, lines: list[str]) -> None:
        for line in lines:
            self.emit(Noted(f"told {to} {line}"))
            self.tell(Notes, to).note(line)
        if "!" in lines:
            raise Rejected("too loud")

    @event
    def noted(self, noted: Noted) -> None:
        self.state.lines.append(noted.what)

    @query
    def lines(self) -> list[str]:
        return self.state.lines


class Helper(Workflow):
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.done = False

    async def run(self) -> list[str]:
        await self.until(lambda: self.done)
        return self.heard

    @command
    async def hear(self, what: str, patiently: bool = False) -> str:
        self.heard.append(what)
        if patiently:
            await self.until(lambda: "go" in self.heard)
        return f"heard {what}"

    @command
    def finish(self) -> None:
        self.done = True


class Boss(Workflow):
    """Gives the commands that its input says: whom, by which, with what."""

    async def run(self, plan: list[tuple[str, str, str, dict[str, Any]]], at_once: bool = False) -> list[Any]:
        calls = [getattr(self.actor(type_, id), name)(**arguments) for type_, id, name, arguments in plan]
        if at_once:
            return await asyncio.gather(*calls)
        return [await self._outcome(call) for call in calls]

    async def _outcome(self, call: Any) -> Any:
        try:
            return await call
        except CallFailed as failed:
            return [failed.type, failed.details]


class Teller(Workflow):
    async def run(self, plan: list[tuple[str, str, str, dict[str, Any]]]) -> str:
        for type_, id, name, arguments in plan:
            getattr(self.tell(type_, id), name)(**arguments)
        return "told"


APP = include_schedules(App(actors=[Notes, Helper, Boss, Teller]))  # as a node would, who then changes nothing more
for sender in ("Boss", "Teller"):
    APP.types[
        sender
    ].siblings = {}  # as if those whom they turn to were another app's: nothing is checked before it is sent


def _clean(world: World) -> None:
    audit_log(world.store, APP)
    audit_rest(world.store, world.broker, APP.task_queues, ended=False)


def _rows(world: World) -> int:
    return sum(len(p.outbox) for p in world.store.log.partitions)


def story_of(tell: Callable[[World, Any], Coroutine[Any, Any, None]], **world: Any) -> None:
    """Tell a story with one node, and see that nothing is left to do."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await tell(world, client)
        await world.until(lambda: not _rows(world), seconds=200)
        await world.stop_all()
        _clean(world)

    simulate(story, APP, **world)


async def _publish(client: Any, content: Send | CommandOutcome) -> None:
    key = str(partition_of(content.stream, 2))
    await client._asker.publisher.publish(Message(Destination.COMMANDS, key, encode_message(content)))


def test_an_answer_comes_back_to_run() -> None:
    """From an actor and from a workflow, in this partition and in the other; one row and two events a command."""

    async def tell(world: World, client: Any) -> None:
        await client.start(Helper, "h")
        plan = [["Notes", id, "note", {"what": "hello"}] for id in "abcd"] + [["Helper", "h", "hear", {"what": "x"}]]
        assert {partition_of(f"Notes/{id}", 2) for id in "abcd"} == {0, 1}
        assert await client.execute(Boss, "1", plan) == [1, 1, 1, 1, "heard x"]
        assert types_of(world.store, "Boss/1") == [
            "RunStarted",
            *["CommandSent", "CommandAnswered"] * 5,
            "RunCompleted",
        ]
        assert world.store.log.streams["Notes/a"].events[0].correlation_id == (
            world.store.log.streams["Boss/1"].events[0].correlation_id
        )
        assert world.store.log.streams["Notes/a"].events[0].causation_id == "Boss/1#1"

    story_of(tell)


@pytest.mark.parametrize(
    ("whom", "failure"),
    [
        (["Notes", "a", "note", {"what": "nonsense"}], ["Rejected", {"what": "nonsense"}]),
        (["Notes", "a", "note", {"what": "crash"}], ["Quarantined", None]),
        (["Notes", "a", "nothing", {}], ["UnknownName", None]),
        (["Notes", "a", "note", {"who": 1}], ["InvalidArguments", None]),
        (["Helper", "nobody", "hear", {"what": "x"}], ["NotFound", None]),
        (["Helper", "ended", "hear", {"what": "x"}], ["AlreadyFinished", None]),
        (["Ghost", "a", "boo", {}], ["UnknownName", None]),
    ],
    ids=lambda value: "-".join(str(part) for part in value[:3]),
)
def test_whatever_can_t_be_done_comes_back_as_a_failure(whom: list[Any], failure: list[Any]) -> None:
    """Exception text reaches the caller; nobody blocks, and the next command to the same actor is none the worse."""

    async def tell(world: World, client: Any) -> None:
        await client.start(Helper, "ended")
        await client.call(Helper, "ended", "finish")
        plan = [whom, ["Notes", "a", "note", {"what": "fine"}]]
        assert await client.execute(Boss, "1", plan, timeout=60) == [failure, 1]
        for partition in world.store.log.partitions:
            partition.quarantine.clear()

    story_of(tell)


def test_a_failure_tells_its_text() -> None:
    """Exception text reaches the caller, and what is not caught fails the run with the type of the failure."""

    class Plain(Workflow):
        async def run(self) -> None:
            await self.actor(Notes, "a").note("nonsense")

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            with pytest.raises(RunFailed) as failed:
                await client.execute(Plain, "1")
        assert (failed.value.type, failed.value.details) == ("Rejected", {"what": "nonsense"})
        assert "note of Notes/a failed: Rejected: that is nonsense" in str(failed.value)
        await world.stop_all()

    simulate(story, App(actors=[Plain, Notes]))


def test_call_order_kept_from_one_handler() -> None:
    """Commands to one actor arrive in the order in which they were given, told or awaited, from one run."""
    lines = [f"{n}" for n in range(40)]

    async def tell(world: World, client: Any) -> None:
        plan = [["Notes", "a", "note", {"what": line}] for line in lines]
        assert await client.execute(Boss, "1", plan, at_once=True) == list(range(1, 41))
        await client.execute(Teller, "1", plan)
        await world.until(lambda: not _rows(world))
        assert await client.query(Notes, "a", "lines") == lines * 2

    story_of(tell)


def test_tell_is_recorded_and_sent_and_no_answer_is_awaited() -> None:
    """The receipt closes the row without an event; the run does not wait, also not for a handler that takes long."""

    async def tell(world: World, client: Any) -> None:
        await client.start(Helper, "h")
        plan = [["Helper", "h", "hear", {"what": "slow", "patiently": True}], ["Notes", "a", "note", {"what": "x"}]]
        assert await client.execute(Teller, "1", plan) == "told"
        await world.until(lambda: not _rows(world))
        assert types_of(world.store, "Teller/1") == ["RunStarted", "CommandSent", "CommandSent", "RunCompleted"]
        await client.call(Helper, "h", "hear", "go")
        await client.call(Helper, "h", "finish")
        assert await client.result(Helper, "h") == ["slow", "go"]

    story_of(tell)


def test_a_told_command_that_is_refused_is_put_aside_where_people_see_it() -> None:
    """With an id of its own, under which it can be sent again; what its giver sent behind it goes on."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            plan = [["Helper", "h", "hear", {"what": "early"}], ["Helper", "h", "hear", {"what": "too"}]]
            assert await client.execute(Teller, "1", plan) == "told"
            await world.until(lambda: not _rows(world))
            aside = {id: row for p in world.store.log.partitions for id, row in p.quarantine.items()}
            assert {id: row.reason for id, row in aside.items()} == {
                f"Teller/1#{n}~again": "NotFound: there is no Helper/h; start it first" for n in (1, 2)
            }
            again = decode_inbound(aside["Teller/1#1~again"].body)
            assert isinstance(again, Send)
            assert (again.caller, again.command_id) == (None, "Teller/1#1~again")
        await world.stop_all()

    simulate(story, APP)


def test_a_handler_may_wait_as_long_as_it_likes() -> None:
    """The commands behind it do not wait for it in a workflow, and both answers come back."""

    async def tell(world: World, client: Any) -> None:
        await client.start(Helper, "h")
        plan = [["Helper", "h", "hear", {"what": "a", "patiently": True}], ["Helper", "h", "hear", {"what": "go"}]]
        assert await client.execute(Boss, "1", plan, at_once=True) == ["heard a", "heard go"]
        await client.call(Helper, "h", "finish")

    story_of(tell)


@pytest.mark.parametrize("words", [b'"op":"command_outcome"', b'"after":1', b'"told":true', b'"command_id":"Boss/1#1"'])
def test_what_the_broker_lost_is_said_again_and_in_order(words: bytes) -> None:
    """The giver's row asks until there is an answer, and what overtook a lost one waits for it."""
    broker = LossyBroker(words, losses=3)

    async def tell(world: World, client: Any) -> None:
        plan = [["Notes", "a", "note", {"what": f"{n}"}] for n in range(4)]
        assert await client.execute(Boss, "1", plan, at_once=True, timeout=500) == [1, 2, 3, 4]
        await client.execute(Teller, "1", plan)
        await world.until(lambda: not _rows(world), seconds=500)
        assert await client.query(Notes, "a", "lines") == ["0", "1", "2", "3"] * 2
        assert broker.seen > 3

    story_of(tell, broker=broker, sweep_after=6.0)


def test_many_commands_with_one_id_change_state_once() -> None:
    """The same command said again is answered again; what is lied about its outcome is not believed."""

    async def tell(world: World, client: Any) -> None:
        await client.start(Helper, "h")
        await client.start(Boss, "1", [["Helper", "h", "hear", {"what": "x", "patiently": True}]])
        await world.until(lambda: "CommandReceived" in types_of(world.store, "Helper/h"))
        caller = Caller("Boss/1", 1)
        again = Send(
            type="Helper", id="h", name="hear", command_id=caller.key, caller=caller,
            input=Raw(b'{"what":"x","patiently":true}'),
        )  # fmt: skip
        note = Send(
            type="Notes",
            id="a",
            name="note",
            command_id="Teller/9#4",
            caller=Caller("Teller/9", 4),
            input=Raw(b'["y"]'),
        )
        for _ in range(3):
            await _publish(client, again)
            await _publish(client, note)
        for number, actor in ((1, "Helper/other"), (2, "Helper/h")):
            lie = CommandOutcome(type="Boss", id="1", number=number, actor=actor, result=Raw(b'"a lie"'))
            await _publish(client, lie)
        await client.call(Helper, "h", "hear", "go")
        assert await client.result(Boss, "1") == ["heard x"]
        for _ in range(3):
            await _publish(client, again)
        await client.call(Helper, "h", "finish")
        await _publish(client, again)
        await world.until(lambda: not _rows(world))
        assert await client.result(Helper, "h") == ["x", "go"]
        assert await client.query(Notes, "a", "lines") == ["y"]
        assert types_of(world.store, "Boss/1").count("CommandAnswered") == 1

    story_of(tell)


def test_a_refusal_that_was_told_holds() -> None:
    """The instance is started afterwards; the same command, said again, is refused as before."""

    async def tell(world: World, client: Any) -> None:
        plan = [["Helper", "h", "hear", {"what": "x"}]]
        assert await client.execute(Boss, "1", plan) == [["NotFound", None]]
        await client.start(Helper, "h")
        caller = Caller("Boss/1", 1)
        await _publish(
            client,
            Send(type="Helper", id="h", name="hear", command_id=caller.key, caller=caller, input=Raw(b'{"what":"x"}')),
        )
        await client.call(Helper, "h", "hear", "y")
        await client.call(Helper, "h", "finish")
        assert await client.result(Helper, "h") == ["y"]

    story_of(tell)


def test_a_command_that_overtook_another_waits_for_it() -> None:
    """It is passed over until the one before it is recorded; for a day at most."""

    async def tell(world: World, client: Any) -> None:
        def sent(number: int, after: int | None, ago: float = 0.0) -> Send:
            caller = Caller("Teller/9", number)
            return Send(
                type="Notes", id="a", name="note", command_id=caller.key, caller=caller, told=True, after=after,
                input=Raw(b'["%d"]' % number), sent_at=world.now() - timedelta(seconds=ago),
            )  # fmt: skip

        second, third = sent(2, 1), sent(3, 2)
        await _publish(client, third)
        await _publish(client, second)
        await client.call(Notes, "a", "note", "mine")
        await _publish(client, sent(1, None))
        await _publish(client, second)
        await _publish(client, third)
        await world.until(lambda: len(types_of(world.store, "Notes/a")) == 4)
        assert await client.query(Notes, "a", "lines") == ["mine", "1", "2", "3"]
        await _publish(client, sent(8, 7, ago=86_400.0))
        await world.until(lambda: len(types_of(world.store, "Notes/a")) == 5)

    story_of(tell)


def test_an_actor_tells_others_in_the_commit_of_its_events() -> None:
    """In order; a rejected command tells nobody, and a node that starts anew sends what was recorded."""

    async def tell(world: World, client: Any) -> None:
        await client.call(Notes, "a", "pass_on", "b", ["1", "2", "3"])
        with pytest.raises(CommandFailed, match="too loud"):
            await client.call(Notes, "a", "pass_on", "b", ["4", "!"])
        await client.call(Notes, "a", "pass_on", "b", ["5"])
        await world.until(lambda: not _rows(world))
        assert await client.query(Notes, "b", "lines") == ["1", "2", "3", "5"]
        assert types_of(world.store, "Notes/a") == ["Noted", "CommandSent"] * 4
        assert await client.query(Notes, "a", "lines") == [f"told b {n}" for n in (1, 2, 3, 5)]

    story_of(tell)
