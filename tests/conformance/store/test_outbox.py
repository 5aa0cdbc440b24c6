"""Messages that must still reach the broker."""

from __future__ import annotations

from datetime import datetime, timedelta

from eventstore import Commit, EventStore, OutboxMessage, Redelivery
from tests.conformance.store.building import commit, message, write
from tests.conformance.store.kits import NOW

LATER = NOW + timedelta(minutes=10)


async def due(store: EventStore, until: datetime = NOW, limit: int = 99) -> list[str]:
    return [m.id for m in await store.outbox(0, until=until, limit=limit)]


def housekeeping(*, redeliver: list[Redelivery] | None = None, remove: list[str] | None = None) -> Commit:
    return Commit(0, 1, outbox_redeliver=redeliver or [], outbox_remove=remove or [])


async def test_a_message_keeps_everything(store: EventStore) -> None:
    """What goes in comes out."""
    sent = message(routing_key="", body=b"\x00", correlation_id="o-1", due_at=NOW)
    await write(store, commit(outbox=[sent]))
    assert await store.outbox(0, until=NOW, limit=9) == [sent]


async def test_it_stays_until_it_is_removed(store: EventStore) -> None:
    """Removing an id that is not there is no error."""
    await write(store, commit(outbox=[message("a"), message("b")]))
    await write(store, housekeeping(remove=["a", "never-there"]))
    assert await due(store) == ["b"]


async def test_ids_are_the_partitions_own(store: EventStore) -> None:
    """The same id in another partition is another message."""
    await write(store, commit("A/1", outbox=[message()]), commit("A/2", partition=1, outbox=[message()]))
    await write(store, housekeeping(remove=["message-1"]))
    assert await due(store) == []
    assert len(await store.outbox(1, until=NOW, limit=9)) == 1


async def test_unpublished_first_then_by_due_time(store: EventStore) -> None:
    """Those never known to be published come first, then those due, soonest first; others not."""
    times = {"z-soon": NOW - timedelta(minutes=2), "a-late": NOW - timedelta(minutes=1), "future": LATER, "now": NOW}
    await write(store, commit(outbox=[message(id, due_at=at) for id, at in times.items()]))
    await write(store, commit(expected=1, outbox=[message("new-2"), message("new-1")]))
    assert await due(store) == ["new-1", "new-2", "z-soon", "a-late", "now"]
    assert await due(store, limit=3) == ["new-1", "new-2", "z-soon"]
    assert await due(store, until=LATER) == ["new-1", "new-2", "z-soon", "a-late", "now", "future"]


async def test_redelivery_moves_the_due_time_and_may_change_the_body(store: EventStore) -> None:
    """Without a new body the old one stays; an unknown id is ignored."""
    await write(store, commit(outbox=[message("a", body=b"1"), message("b", body=b"1")]))
    await write(
        store, housekeeping(redeliver=[Redelivery("a", LATER), Redelivery("b", LATER, b"2"), Redelivery("x", LATER)])
    )
    assert await due(store) == []
    found: list[OutboxMessage] = await store.outbox(0, until=LATER, limit=9)
    assert [(m.id, m.body, m.due_at) for m in found] == [("a", b"1", LATER), ("b", b"2", LATER)]


async def test_put_changed_and_removed_in_one_batch(store: EventStore) -> None:
    """A batch equals its commits one after the other, whatever they do to one message."""
    await write(store, commit(outbox=[message("was-there"), message("comes-back", body=b"old")]))
    await write(
        store,
        commit(expected=1, outbox=[message("put-removed"), message("put-changed"), message("same-commit")]),
        housekeeping(remove=["put-removed", "was-there", "comes-back"]),
        housekeeping(redeliver=[Redelivery("put-changed", NOW, b"new"), Redelivery("was-there", NOW)]),
        commit(expected=2, outbox=[message("comes-back", body=b"new")], outbox_remove=["same-commit"]),
    )
    await write(store, commit(expected=3, outbox=[message("x")], outbox_remove=["x"]))
    found = await store.outbox(0, until=NOW, limit=9)
    assert [(m.id, m.body) for m in found] == [("comes-back", b"new"), ("put-changed", b"new")]


async def test_a_message_put_again_is_replaced(store: EventStore) -> None:
    """Ids are deterministic, so a second put is the same message, newly to be published."""
    await write(store, commit(outbox=[message(due_at=LATER)]))
    await write(store, commit(expected=1, outbox=[message(body=b"2")]))
    assert await store.outbox(0, until=NOW, limit=9) == [message(body=b"2")]


async def test_what_is_read_is_the_readers_own(store: EventStore) -> None:
    """Changing a record that was read changes nothing in the log."""
    await write(store, commit(outbox=[message()]))
    [read] = await store.outbox(0, until=NOW, limit=9)
    read.body = b"changed"
    assert await store.outbox(0, until=NOW, limit=9) == [message()]


async def test_messages_are_found_by_the_beginning_of_their_ids(store: EventStore) -> None:
    """In this partition, the soonest first, whenever they are due; also where the beginning is not ASCII."""
    names = ["@A/1@x", "@A/1@y", "@A/10@x", "@A/ä@x", "@B/1@x", "A/1@x", "@"]
    await write(store, commit("A/1", outbox=[message(name, due_at=LATER) for name in names]))
    await write(store, commit("A/2", partition=1, outbox=[message("@A/1@z")]))
    await write(
        store,
        commit(
            "C/1", outbox=[message("@C/1@late", due_at=LATER + timedelta(hours=1)), message("@C/1@soon", due_at=LATER)]
        ),
    )

    async def found(prefix: str, limit: int = 9) -> list[str]:
        return [each.id for each in await store.outbox_named(0, prefix, limit=limit)]

    assert await found("@A/1@") == ["@A/1@x", "@A/1@y"]
    assert await found("@A/1@x") == ["@A/1@x"]
    assert await found("@A/ä@") == ["@A/ä@x"]
    assert await found("@A/") == ["@A/10@x", "@A/1@x", "@A/1@y", "@A/ä@x"]
    assert await found("@", 2) == ["@", "@A/10@x"]
    assert await found("@C/1@") == ["@C/1@soon", "@C/1@late"]
    assert await found("@D") == []
    assert await found("@", 0) == []
    assert (await store.outbox_named(1, "@", limit=9))[0] == message("@A/1@z")


async def test_it_tells_which_messages_are_there(store: EventStore) -> None:
    """Of those that are asked for, in this partition, whenever they are due."""
    await write(store, commit("A/1", outbox=[message("a"), message("b", due_at=LATER), message("c")]))
    await write(store, commit("A/2", partition=1, outbox=[message("d")]))
    await write(store, housekeeping(remove=["c"]))
    assert await store.outbox_holds(0, ["a", "b", "c", "d", "never-there"]) == {"a", "b"}
    assert await store.outbox_holds(0, []) == set()
