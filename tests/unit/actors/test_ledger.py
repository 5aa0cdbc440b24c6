"""What a journal says by itself, without any user code."""

from __future__ import annotations

import pytest
from msgspec import Raw

from actors.journal import (
    CommandCompleted,
    CommandFailed,
    CommandReceived,
    ErrorInfo,
    JournalEvent,
    Resumed,
    RunCompleted,
    RunFailed,
    RunStarted,
    Stuck,
    TaskAttemptFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
    TimerSet,
    decode_event,
    encode_event,
)
from actors.ledger import Ledger
from actors.turn import Outcome

EMPTY, ONE = Raw(b"{}"), Raw(b"1")
ERROR = ErrorInfo("ValueError", "no", Raw(b'{"a":1}'), "trace")
ONE_OF_EACH: list[JournalEvent] = [
    RunStarted(EMPTY, "c"), CommandReceived("c", "go", EMPTY), TaskScheduled(1, "double", EMPTY), TimerSet(2, 5.5),
    TaskAttemptFailed(1, 1, ERROR, 7.5), TaskCompleted(1, ONE), TaskFailed(3, ERROR, 2, "local"), TimerFired(2),
    CommandCompleted("c", ONE), CommandFailed("c", ERROR), Stuck(ERROR), Resumed(), RunCompleted(ONE), RunFailed(ERROR),
]  # fmt: skip


def ledger(*events: JournalEvent) -> Ledger:
    made = Ledger()
    for event in events:
        made.apply(event)
    return made


@pytest.mark.parametrize("event", ONE_OF_EACH, ids=[type(event).__name__ for event in ONE_OF_EACH])
def test_every_journal_event_comes_back_as_it_was(event: JournalEvent) -> None:
    """Through its JSON, by the name of its class."""
    data = encode_event(event)
    again = decode_event(type(event).__name__, data)
    assert (type(again), encode_event(again) if again else b"", bool(event.title())) == (type(event), data, True)


def test_an_unknown_type_is_none() -> None:
    """The reader decides what to make of it."""
    assert decode_event("OrderPlaced", b"{}") is None


def test_every_event_counts() -> None:
    """The version is the number of events."""
    assert ledger(*ONE_OF_EACH).version == len(ONE_OF_EACH)


def test_an_event_of_another_sort_is_refused() -> None:
    """A new journal event must be thought of here."""

    class Surprise(JournalEvent):
        pass

    with pytest.raises(TypeError, match="Surprise"):
        ledger(Surprise())


def test_a_task_is_open_until_its_outcome() -> None:
    """With the attempt that is under way."""
    open_task = ledger(TaskScheduled(1, "double", EMPTY), TaskAttemptFailed(1, 1, ERROR, 0.0)).tasks[1]
    assert (open_task.scheduled.name, open_task.attempt) == ("double", 2)
    assert ledger(TaskScheduled(1, "double", EMPTY), TaskFailed(1, ERROR)).tasks == {}


def test_the_first_outcome_is_new_and_no_other() -> None:
    """For workers' tasks and for local ones."""
    before = ledger(TaskScheduled(1, "double", EMPTY))
    after = ledger(TaskScheduled(1, "double", EMPTY), TaskCompleted(1, ONE), TaskCompleted(2, ONE, "local"))
    assert [book.is_new_outcome(1, local=False) for book in (before, after)] == [True, False]
    assert [book.is_new_outcome(2, local=True) for book in (before, after)] == [True, False]


def test_nothing_is_new_after_the_end() -> None:
    """The run has its outcome."""
    book = ledger(TaskScheduled(1, "double", EMPTY), RunCompleted(ONE))
    assert (book.is_new_outcome(1, local=False), book.is_new_outcome(2, local=True)) == (False, False)


def test_a_timer_is_open_until_it_fires() -> None:
    """With its due time."""
    assert (ledger(TimerSet(2, 5.5)).timers, ledger(TimerSet(2, 5.5), TimerFired(2)).timers) == ({2: 5.5}, {})


@pytest.mark.parametrize(
    ("event", "outcome"),
    [(CommandCompleted("c", ONE), Outcome(result=ONE)), (CommandFailed("c", ERROR), Outcome(error=ERROR))],
)
def test_a_command_has_its_answer(event: JournalEvent, outcome: Outcome) -> None:
    """For callers that ask again."""
    book = ledger(CommandReceived("c", "go", EMPTY))
    assert book.commands["c"].outcome is None
    book.apply(event)
    assert book.commands["c"].outcome == outcome


@pytest.mark.parametrize(
    ("event", "outcome"), [(RunCompleted(ONE), Outcome(result=ONE)), (RunFailed(ERROR), Outcome(error=ERROR))]
)
def test_the_end_is_the_outcome(event: JournalEvent, outcome: Outcome) -> None:
    """A result or a declared failure."""
    assert ledger(event).outcome == outcome


def test_it_is_stuck_until_it_is_resumed() -> None:
    """As the journal says."""
    assert (ledger(Stuck(ERROR)).stuck, ledger(Stuck(ERROR), Resumed()).stuck) == (True, False)
