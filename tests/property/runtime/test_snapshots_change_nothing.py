"""Whatever is asked of actors, they answer and end the same, however often they are kept, unloaded and told twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from actors import Actor, App, Snapshots
from runtime import Client, CommandError
from runtime.transport.memory import MemoryBroker
from tests.simulation.audit import audit_log
from tests.simulation.faults import RepeatingBroker
from tests.simulation.world import World, simulate
from tests.unit.runtime.tally import Tally, check_snapshots


def _app(policy: Snapshots | None) -> App:
    """The tally under another policy, with the same code."""
    kept: type[Actor] = type("Kept", (Tally,), {"snapshots": policy}, name="Tally")
    return App(actors=[kept])


class Way(Struct):
    """One way to run the same commands."""

    app: App
    unload: bool = False  # after each command
    twice: bool = False  # each message is delivered twice


WITHOUT = Way(_app(None))
EACH = _app(Snapshots(every_events=1, least_share=0))
SOME = _app(Snapshots(every_events=3, least_share=0))
WAYS = {
    "a snapshot at each event": Way(EACH),
    "unloaded after each command, without snapshots": Way(_app(None), unload=True),
    "unloaded after each command, a snapshot at each event": Way(EACH, unload=True),
    "unloaded after each command, a snapshot now and then": Way(SOME, unload=True),
    "every message twice": Way(SOME, twice=True),
    "every message twice, unloaded after each command, a snapshot at each event": Way(EACH, unload=True, twice=True),
}

Command = tuple[str, str, str, Any]  # actor, command id, name, units
_units = st.integers(-2, 14)
_commands = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from([f"c{n}" for n in range(12)]))
    .flatmap(
        lambda who: (
            st.tuples(st.just(who[0]), st.just(who[1]), st.just("add"), _units)
            | st.tuples(st.just(who[0]), st.just(who[1]), st.just("add_each"), st.lists(_units, max_size=4))
        )
    )
    .filter(lambda command: command[3] != 13),  # a crash takes its time
    max_size=14,
)


async def _answer(client: Client, command: Command) -> Any:
    actor, id, name, units = command
    try:
        return await client.call(Tally, actor, name, units, command_id=id, timeout=60)
    except CommandError as error:
        return f"{type(error).__name__}: {error}"


def run(way: Way, commands: list[Command]) -> list[Any]:
    """Run commands in one way; gives what can be seen of it: answers, views, events."""

    async def story(world: World) -> list[Any]:
        node = world.node()
        seen: list[Any] = []
        async with world.client() as client:
            for command in commands:
                seen.append(await _answer(client, command))
                if way.unload:
                    await world.until(lambda: node.node.activations == 0, what="unloaded")
            seen.extend([await client.query(Tally, actor, "view") for actor in "ab"])
        await world.stop_all()
        audit_log(world.store, way.app)
        check_snapshots(world.store, way.app)
        streams = sorted(world.store.log.streams.items())
        if way.app is EACH:
            assert all(len(s.events) in s.snapshots for _, s in streams if s.events)
        return [*seen, [(name, [(e.version, e.type, e.data) for e in s.events]) for name, s in streams]]

    broker = RepeatingBroker() if way.twice else MemoryBroker()
    return simulate(story, way.app, broker=broker, idle=0.5 if way.unload else 1000.0)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=_commands)
def test_identical_results(way: str, commands: list[Command]) -> None:
    """As without snapshots, in memory all the time, and told once."""
    assert run(WAYS[way], commands) == run(WITHOUT, commands)
