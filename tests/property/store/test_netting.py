"""Netting a batch equals applying its commits one after the other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from eventstore import Commit, OutboxMessage, Redelivery, TimerKey
from eventstore.memory.log import Log, Partition
from eventstore.postgres.netting import net
from tests.conformance.store.kits import NOW

_ids = st.sampled_from("abc")
_commits = st.lists(
    st.builds(
        Commit,
        partition=st.integers(0, 1),
        epoch=st.just(1),
        outbox=st.lists(st.builds(OutboxMessage, _ids, st.just("d"), st.just("k"), st.binary(max_size=1)), max_size=2),
        outbox_redeliver=st.lists(
            st.builds(Redelivery, _ids, st.just(NOW), st.none() | st.binary(max_size=1)), max_size=2
        ),
        outbox_remove=st.lists(_ids, max_size=2),
        timers_set=st.lists(st.builds(TimerKey, st.just(NOW), _ids, st.just(1)), max_size=2),
        timers_clear=st.lists(st.builds(TimerKey, st.just(NOW), _ids, st.just(1)), max_size=2),
    ),
    max_size=6,
)


def log_with(messages: list[OutboxMessage], timers: list[TimerKey]) -> Log:
    log = Log([Partition(0), Partition(1)])
    for partition in log.partitions:
        partition.outbox = {message.id: replace(message) for message in messages}
        partition.timers = list(timers)
    return log


@given(
    batch=_commits,
    before=st.lists(st.builds(OutboxMessage, _ids, st.just("d"), st.just("k"), st.just(b"old")), max_size=3),
    timers=st.sets(_ids).map(lambda streams: [TimerKey(NOW, stream, 1) for stream in sorted(streams)]),
)
def test_the_same_outbox_and_timers(batch: list[Commit], before: list[OutboxMessage], timers: list[TimerKey]) -> None:
    """Each key changes at most once, and the end is the same."""
    expected = log_with(before, timers)
    for commit in batch:
        expected.apply(commit, NOW)
    netted, log = net(batch), log_with(before, timers)
    assert netted is not None
    for (number, id), change in netted.outbox.items():
        outbox = log.partitions[number].outbox
        match change:
            case OutboxMessage():
                outbox[id] = change
            case Redelivery() if id in outbox:
                old = outbox[id]
                outbox[id] = replace(old, due_at=change.due_at, body=old.body if change.body is None else change.body)
            case None:
                outbox.pop(id, None)
    for number, partition in enumerate(log.partitions):
        changed = {timer: is_set for (place, timer), is_set in netted.timers.items() if place == number}
        kept = {timer for timer in partition.timers if changed.get(timer, True)}
        partition.timers = sorted(kept | {timer for timer, is_set in changed.items() if is_set})
    for got, wanted in zip(log.partitions, expected.partitions, strict=True):
        assert (got.outbox, got.timers) == (wanted.outbox, wanted.timers)
