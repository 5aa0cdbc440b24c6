"""A stream's events in words."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import Raw

from actors.journal import (
    ChildCompleted,
    ChildFailed,
    ChildStarted,
    CommandAnswered,
    CommandCompleted,
    CommandReceived,
    CommandSent,
    Correction,
    ErrorInfo,
    JournalEvent,
    RunCompleted,
    RunStarted,
    RunTerminated,
    TaskAttemptFailed,
    TaskCompleted,
    TaskScheduled,
    TimerSet,
    encode_event,
)
from eventstore.records import RecordedEvent
from runtime.cli import journal
from runtime.debugging.timeline import timeline


def recorded(*events: JournalEvent) -> list[RecordedEvent]:
    """A stream of these events."""
    return [
        RecordedEvent(0, number, "Order/1", number, 1, type(event).__name__, encode_event(event), datetime.now(UTC))
        for number, event in enumerate(events, 1)
    ]


STREAM = recorded(
    RunStarted(Raw(b"{}")),
    TaskScheduled(1, "charge", Raw(b"{}")),
    TaskAttemptFailed(1, 1, ErrorInfo("Timeout", "late"), 5.0),
    CommandReceived("c-1", "ship", Raw(b"{}")),
    CommandCompleted("c-1", Raw(b"null")),
    TimerSet(2, 86_400.0),
    ChildStarted(3, "Ship", "17", Raw(b"{}")),
    CommandSent(4, "Stock", "tea", "take", Raw(b"{}")),
)


def test_tasks_commands_and_children_are_called_by_their_names() -> None:
    """Where the journal has only their numbers and ids."""
    titles = journal.Titles()
    ends = recorded(
        TaskCompleted(1, Raw(b"null")),
        ChildCompleted(3, Raw(b"null")),
        ChildFailed(3, ErrorInfo("Lost", "gone")),
        CommandAnswered(4, Raw(b"7")),
        CommandAnswered(4, error=ErrorInfo("Rejected", "none left")),
    )
    assert [titles.of(event) for event in [*STREAM, *ends]] == [
        "RunStarted",
        "TaskScheduled(#1 charge)",
        "TaskAttemptFailed(#1 charge, attempt 1: Timeout)",
        "CommandReceived(ship)",
        "CommandCompleted(ship)",
        "TimerSet(#2)",
        "ChildStarted(#3 Ship/17)",
        "CommandSent(#4 Stock/tea take)",
        "TaskCompleted(#1 charge)",
        "ChildCompleted(#3 Ship/17)",
        "ChildFailed(#3 Ship/17: Lost)",
        "CommandAnswered(#4 Stock/tea take)",
        "CommandAnswered(#4 Stock/tea take: Rejected)",
    ]


def test_open_work_is_what_has_no_end_yet() -> None:
    """Tasks with their attempt, children, timers with their time; nothing after the run's end."""
    task, child, call, timer = journal.open_work(STREAM)
    assert task == "task #1 charge, attempt 2"
    assert child == "child #3 Ship/17"
    assert call == "command #4 Stock/tea take"
    assert timer.startswith("timer #2, due 1970-01-0")
    assert journal.open_work([*STREAM, *recorded(RunCompleted(Raw(b"7")))]) == []


def test_the_ending_is_the_result() -> None:
    """And there is none while the run goes on."""
    assert journal.ending([*STREAM, *recorded(RunCompleted(Raw(b"7")))]) == {"result": 7}
    assert journal.ending(STREAM) == {}


def test_a_restart_says_who_and_why_and_takes_the_end_away() -> None:
    """In the list of events and in the time line; who terminated it is said, too."""
    again = RunStarted(Raw(b"{}"), again=True, correction=Correction("r", "it rained", "eve"))
    events = recorded(RunStarted(Raw(b"{}")), RunTerminated("t", "fog", by="bob"), again)
    assert [journal.brief(event) for event in events] == ["{}", '"fog" (by bob)', "{} (by eve: it rained)"]
    assert (journal.ending(events[:2]), journal.ending(events)) == ({"reason": "fog"}, {})
    assert [lane.name for lane in timeline(events)] == ["run", "run, restarted by eve"]


def test_what_is_no_journal_is_shown_as_it_is() -> None:
    """An entity's own events, and payloads that are no JSON at all."""
    event = RecordedEvent(0, 1, "Account/1", 1, 1, "Deposited", b'{"amount":"5"}', datetime.now(UTC))
    sealed = RecordedEvent(0, 1, "Account/1", 1, 1, "Deposited", b"\xff\x00", datetime.now(UTC))
    assert (journal.Titles().of(event), journal.brief(event)) == ("Deposited", '{"amount":"5"}')
    assert journal.payload(sealed) == "\\xff\x00"


def test_an_event_that_cant_be_read_is_a_line_too() -> None:
    """So that `follow`, `show` and `events` go on behind it: its data as it stands, and in a workflow's title the reason."""
    titles = journal.Titles()
    titles.of(STREAM[0])
    for type, data, brief in (
        ("CommandReceived", b"{}", "{}"),
        ("TimerSet", b'{"timer":1,"due":"at once"}', '{"timer":1,"due":"at once"}'),
        ("TimerSet", b'{"timer":1,"due":1e300}', "due 1e300"),
        ("RunCompleted", b"\x00\xff", '"\\u0000\\\\xff"'),
    ):
        event = RecordedEvent(0, 9, "Order/1", 9, 1, type, data, datetime.now(UTC))
        assert journal.brief(event) == brief
        assert (" can't be read: " in titles.of(event)) is ("1e300" not in brief)
        if "1e300" not in brief:
            assert journal.open_work([STREAM[0], event]) == []
            assert journal.ending([STREAM[0], event]) == {}
