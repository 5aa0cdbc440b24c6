"""Commands between actors, validators, and ends that come from outside, in a test."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actors import RunCancelled, RunTerminated
from actors.testing import CommandFailed, CommandRefused, StoryFailed, WorkflowTest, crash_everywhere, scenario
from tests.unit.testing.branch import (
    Account,
    Balance,
    Book,
    Lines,
    Meter,
    Moved,
    Offer,
    Transfer,
    app,
    tell_customer,
    weigh,
)

TASKS = {tell_customer: None, weigh: weigh}


def branch() -> WorkflowTest:
    run = WorkflowTest(app, tasks=TASKS)
    run.get(Account, "ann").call("move", 100)
    return run


def test_a_workflow_gives_actors_commands() -> None:
    """And hears their answers; what an actor tells another one arrives, too."""
    run = branch()
    assert run.start(Transfer, "1", "ann", "bob", 30).result() == "70 left"
    assert run.get(Account, "bob").state == Balance(30)
    assert run.get(Book, "2026").state == Lines(["ann +100", "ann -30", "bob +30"])
    assert [type(e).__name__ for e in run.get(Account, "bob").events] == ["Moved", "CommandSent"]


def test_a_command_that_fails() -> None:
    """Reaches the workflow with type, message and details."""
    assert branch().start(Transfer, "1", "ann", "bob", 101).result() == (
        "Rejected: move of Account/ann failed: Rejected: insufficient funds {'left': 100}"
    )


def test_a_told_command_that_cannot_be_taken() -> None:
    """Is put aside, and can be seen."""
    run = branch()
    run.get(Account, "ann").call("close")
    assert run.put_aside == [
        "stop to Transfer/nobody, told by Account/ann#3: there is no Transfer/nobody: start it first"
    ]


def test_an_actor_of_another_app() -> None:
    """The test says what is missing."""
    with pytest.raises(
        StoryFailed, match="Account/ann gives Elsewhere/1 the command take, and this app has no Elsewhere"
    ):
        branch().get(Account, "ann").call("export")


def test_cancelling() -> None:
    """Asyncio's cancellation reaches the run, whose clean-up happens."""
    run = branch()
    transfer = run.start(Transfer, "1", "ann", "bob", 30)
    transfer.cancel("changed my mind")
    with pytest.raises(RunCancelled, match="changed my mind"):
        transfer.result()
    assert transfer.status == "cancelled"
    assert run.get(Account, "ann").state == Balance(100)
    assert [call.args for call in run.calls(tell_customer)] == [{"text": "taken back"}]
    with pytest.raises(CommandRefused, match="can't be cancelled any more") as caught:
        transfer.cancel()
    assert caught.value.type == "AlreadyFinished"
    with pytest.raises(CommandRefused, match="start it first"):
        run.get(Transfer, "2").cancel()


def test_terminating() -> None:
    """No clean-up, and it ends at once."""
    run = branch()
    transfer = run.start(Transfer, "1", "ann", "bob", 30)
    transfer.terminate("enough")
    with pytest.raises(RunTerminated, match="enough"):
        transfer.result()
    assert (transfer.status, run.get(Account, "ann").state) == ("terminated", Balance(70))
    run.settle()
    assert run.get(Account, "bob").status == "new"


def test_validators() -> None:
    """Refuse before anything is recorded, in a run and in a scenario."""
    run = branch()
    transfer = run.start(Transfer, "1", "ann", "bob", 30)
    steps = len(run.steps)
    with pytest.raises(CommandFailed, match="Rejected: say why"):
        transfer.call("stop", "")
    with pytest.raises(CommandFailed, match="Rejected: nothing to move"):
        run.get(Account, "ann").call("move", 0)
    assert len(run.steps) == steps
    scenario(Account, others=[Book]).when("move", 0).rejected("nothing to move")


def test_start_and_call() -> None:
    """One step, or nothing."""
    run = branch()
    transfer = run.get(Transfer, "1")
    with pytest.raises(CommandFailed, match="say why"):
        transfer.start_and_call(["ann", "bob", 30], "stop", "")
    assert transfer.status == "new"
    transfer.start_and_call({"giver": "ann", "taker": "bob", "cents": 30}, "stop", "tired")
    assert transfer.result() == "70 left tired"


def test_commands_for_later() -> None:
    """Are handled when they are due; one that can't be taken then is put aside."""
    run = branch()
    account = run.get(Account, "ann")
    sent = account.call_later("move", 5, after=timedelta(days=2))
    account.call_later("move", 0, after=10)
    assert account.state == Balance(100)
    assert account.answer("move", sent) == 105
    assert run.put_aside == [
        "move to Account/ann, sent for later: move of Account/ann failed: Rejected: nothing to move"
    ]
    with pytest.raises(CommandRefused, match="it is new"):
        run.get(Transfer, "1").call_later("stop", "x", at=run.now)
    with pytest.raises(CommandRefused, match="say when"):
        account.call_later("move", 5)


def test_what_a_command_tells() -> None:
    """A scenario sees the commands for others."""
    scenario(Account, "ann", others=[Book]).given(Moved(5)).when("move", -5).then(
        Moved(-5), tells=[("Book/2026", "write", {"line": "ann -5"})]
    )
    with pytest.raises(AssertionError, match=r"told\[0\]\[2\]\['line'\]: expected 'ann -6', was 'ann -5'"):
        scenario(Account, "ann", others=[Book]).given(Moved(5)).when("move", -5).then(
            Moved(-5), tells=[("Book/2026", "write", {"line": "ann -6"})]
        )


def story(run: WorkflowTest) -> object:
    """A transfer, one that is refused, one that is cancelled, and one that is terminated."""
    run.get(Account, "ann").call("move", 100)
    first = run.start(Transfer, "1", "ann", "bob", 30)
    refused = run.start(Transfer, "2", "ann", "bob", 500).result()
    first.call("stop", "soon")
    cancelled = run.start(Transfer, "3", "ann", "bob", 10)
    cancelled.cancel()
    ended = run.start(Transfer, "4", "ann", "bob", 1)
    ended.terminate()
    run.settle()
    return [first.result(), refused, cancelled.status, ended.status, run.get(Book, "2026").state]


def test_nobody_notices_a_crash() -> None:
    """Whoever dies in the middle of a conversation."""
    assert crash_everywhere(app, story, tasks=TASKS, check_json=True) > 40


def meters(run: WorkflowTest) -> object:
    """Three runs of one instance; a command waits from one into the next."""
    meter = run.start(Meter, "1")
    said = [meter.call("read", 1, command_id="first"), meter.call("read", 2)]
    waiting = meter.send("second")
    run.advance(5)
    said += [meter.call("read", 1, command_id="first"), meter.call("read", 3), meter.call("read", 4)]
    said += [meter.answer("second", waiting)]
    run.advance(5)
    said += [meter.call("read", 5), meter.call("read", 6)]
    return [*said, meter.result(), run.get(Book, "meters").state]


def test_a_run_that_starts_over() -> None:
    """Its commands are known to the next run, and its result is the last one's."""
    lines = Lines(["run 1: 3", "run 2: 10", "run 3: 21"])
    assert meters(WorkflowTest(app, tasks=TASKS)) == [1, 2, 1, 1, 2, 3, 1, 2, 21, lines]


def test_nobody_notices_a_crash_between_runs() -> None:
    """The last run alone is run again."""
    assert crash_everywhere(app, meters, tasks=TASKS, check_json=True) > 30


def offers(run: WorkflowTest) -> object:
    """One promise that is resolved, and one that is rejected."""
    taken, refused = run.start(Offer, "1"), run.start(Offer, "2")
    with pytest.raises(CommandRefused, match="promise price"):
        taken.resolve("price", "much")
    said = [taken.resolve("price", 4000), taken.resolve("price", 5000), refused.reject("price", "no", details=[1])]
    return [*said, taken.result(), refused.result()]


def test_promises() -> None:
    """The first one wins; a value that does not fit is refused, and nobody notices a crash."""
    assert offers(WorkflowTest(app, tasks=TASKS)) == [True, False, True, "4000 cents", "Rejected: [1]"]
    with pytest.raises(CommandRefused, match="start it first"):
        WorkflowTest(app, tasks=TASKS).get(Offer, "1").resolve("price", 1)
    crash_everywhere(app, offers, tasks=TASKS)
