"""How to test a workflow: no servers, and two weeks in no time. Run it with pytest, from the folder above."""

from __future__ import annotations

import pytest

from actors import RunFailed
from actors.testing import WorkflowTest, crash_everywhere, in_turn
from examples.onboarding import Onboarding, Welcome, app, check_credit, create_account, send_mail

TASKS = {create_account: create_account, check_credit: 750, send_mail: None}  # the first runs its own function


def texts(run: WorkflowTest) -> list[str]:
    return [call.args["text"] for call in run.calls(send_mail)]


def test_a_customer_who_confirms() -> None:
    run = WorkflowTest(app, tasks=TASKS)
    ada = run.start(Onboarding, "ada", email="ada@example.org")
    assert ada.query("status") == "waiting for the customer"
    run.advance(days=13)
    ada.call("confirm")
    assert ada.result() == Welcome("ada@example.org", "account-of-ada", 750)
    assert texts(run) == ["please confirm", "welcome"]


def test_a_customer_who_does_not() -> None:
    run = WorkflowTest(app, tasks=TASKS)
    with pytest.raises(RunFailed, match="did not answer within two weeks"):
        run.start(Onboarding, "bob", "bob@example.org").result()
    assert texts(run) == ["please confirm"]


def test_an_account_service_that_fails_twice() -> None:
    down = ConnectionError("no route")
    run = WorkflowTest(app, tasks={**TASKS, create_account: in_turn(down, down, "account-7")})
    eve = run.start(Onboarding, "eve", "eve@example.org")
    run.until(lambda: texts(run) == ["please confirm"])
    eve.call("confirm")
    assert eve.result().account == "account-7"


def test_a_crash_at_every_step() -> None:
    def story(run: WorkflowTest) -> Welcome:
        ada = run.start(Onboarding, "ada", "ada@example.org")
        run.advance(days=13)
        ada.call("confirm")
        welcome: Welcome = ada.result()
        return welcome

    crash_everywhere(app, story, tasks=TASKS, check_json=True)
