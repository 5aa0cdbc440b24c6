"""`start`, `send`, `query` and `result` against running processes."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line

pytestmark = pytest.mark.timeout(180)

ADA = '{"email": "ada@example.org"}'


def test_a_workflow_from_start_to_result(system: CommandLine) -> None:
    """Started once however often it is asked for, queried, told, and done."""
    assert system("start", "Onboarding/ada", "--input", ADA).output == "started Onboarding/ada\n"
    assert "was started before" in system("start", "Onboarding/ada", "--input", ADA).output
    assert system("query", "Onboarding/ada", "status").output == '"waiting for the customer"\n'
    assert system("send", "Onboarding/ada", "confirm").output == "Onboarding/ada took confirm\n"
    assert system("result", "Onboarding/ada", "--json").json == {
        "status": "completed",
        "result": {"email": "ada@example.org", "account": "account-of-ada", "score": 715},
    }
    assert "has ended" in one_line(system("send", "Onboarding/ada", "confirm"))


def test_waiting_for_the_result(system: CommandLine) -> None:
    """`--wait` gives up after the time that was asked for, and says that nothing is lost."""
    waited = system("start", "Onboarding/slow", "--input", "-", "--wait", "--timeout", "2", input=ADA)
    assert "no answer from Onboarding/slow within 2 s" in one_line(waited)


def test_an_actor_answers_its_commands(system: CommandLine) -> None:
    """The answer is printed; a declared failure is a line and a status."""
    assert system("send", "Account/ada", "deposit", "--input", '{"amount": "10.50"}').output == '"10.50"\n'
    refused = system("send", "Account/ada", "withdraw", "--input", '{"amount": 99}')
    assert one_line(refused) == "Rejected: 99 is more than the balance of 10.50"
    assert system("query", "Account/ada", "balance", "--json").json == "10.50"


def test_a_command_id_is_handled_once(system: CommandLine) -> None:
    """The second time the first answer comes back, and other input under the same id is refused."""
    deposit = ("send", "Account/bob", "deposit", "--command-id", "d-1", "--input")
    assert system(*deposit, '{"amount": "5"}').output == system(*deposit, '{"amount": "5"}').output == '"5"\n'
    assert "d-1" in one_line(system(*deposit, '{"amount": "6"}'))


def test_sending_without_waiting(system: CommandLine) -> None:
    """Comes back when the broker has the command, even one that will be refused."""
    assert system("send", "Account/eve", "nonsense", "--no-wait").output == "sent nonsense to Account/eve\n"


def test_cancelling(system: CommandLine) -> None:
    """Asked once, however often it is said; the result tells how it ended, and why."""
    assert system("start", "Onboarding/cay", "--input", ADA).status == 0
    asked = system("cancel", "Onboarding/cay", "--reason", "moved away", "--command-id", "c-1")
    assert asked.output == "asked Onboarding/cay to cancel\n"
    assert system("cancel", "Onboarding/cay", "--command-id", "c-1", "--json").json == {
        "stream": "Onboarding/cay",
        "requested": True,
    }
    assert "has ended (cancelled) and can't be cancelled any more" in one_line(system("cancel", "Onboarding/cay"))
    ended = system("result", "Onboarding/cay", "--json")
    assert (ended.status, ended.json["status"], ended.json["error"]["type"]) == (1, "cancelled", "RunCancelled")
    assert "moved away" in one_line(system("result", "Onboarding/cay"))
    assert "Onboarding/cay" in system("list", "--status", "cancelled").output


def test_terminating(system: CommandLine) -> None:
    """At once, and the history has the reason."""
    assert system("start", "Onboarding/tom", "--input", ADA).status == 0
    assert system("terminate", "Onboarding/tom", "--reason", "a test", "--tree").output == "terminated Onboarding/tom\n"
    assert system("terminate", "Onboarding/tom").output == "Onboarding/tom was terminated before\n"
    assert system("result", "Onboarding/tom", "--json").json["status"] == "terminated"
    shown = system("show", "Onboarding/tom").output
    assert "RunTerminated" in shown
    assert "reason: a test" in shown.replace('"', "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("start", "Nobody/1"), "no actor type is named 'Nobody'; known: Account, Onboarding"),
        (("start", "Onboarding/x"), "missing required field `email`"),
        (("start", "Onboarding/x", "--input", '{"email": 7}'), "Expected `str`, got `int`"),
        (("start", "Onboarding/ada", "--input", '{"email": "other@example.org"}'), "other input"),
        (("start", "Account/x"), "it is not started"),
        (("send", "Account/x", "steal"), "has no command 'steal'; it has: deposit, withdraw"),
        (("send", "Account/x", "deposit", "--input", '{"amont": 1}'), "unknown field `amont`"),
        (("send", "Onboarding/nobody", "confirm"), "Onboarding/nobody"),
        (("query", "Account/x", "secret"), "has no query 'secret'; it has: balance"),
        (("query", "Onboarding/nobody", "status"), "Onboarding/nobody"),
        (("result", "Onboarding/nobody"), "Onboarding/nobody"),
        (("cancel", "Onboarding/nobody"), "there is no Onboarding/nobody"),
        (("terminate", "Account/x"), "it is not started"),
        (("show", "Onboarding/nobody"), "there is no Onboarding/nobody"),
        (("events", "Onboarding/nobody"), "there is no Onboarding/nobody"),
        (("replay", "Onboarding/nobody", "--app", "both:app"), "there is no Onboarding/nobody"),
        (("replay", "Nobody/1", "--app", "both:app"), "there is no Nobody/1"),
        (("worker", "both:app", "--queue", "bogus"), "no tasks on queue bogus; its queues: default"),
    ],
)
def test_what_the_system_refuses_is_one_line(system: CommandLine, arguments: tuple[str, ...], complaint: str) -> None:
    """It says what was wrong and, where there are names to choose from, which."""
    assert complaint in one_line(system(*arguments))


def test_delayed_commands_are_listed_and_cancelled(system: CommandLine) -> None:
    """Cancelled, handled before, or not known: each has its own words and status."""
    deposit = ("send", "Account/del", "deposit", "--input", '{"amount": "5"}', "--command-id")
    assert system(*deposit, "later", "--after", "30d").output == "Account/del accepted deposit as later\n"
    assert system(*deposit, "now").status == 0
    [listed] = system("delayed", "list", "Account/del", "--json").json_lines
    assert (listed["command_id"], listed["command"], listed["input"]) == ("later", "deposit", {"amount": "5"})
    assert "later" in system("delayed", "list", "Account").output
    for _ in range(2):
        assert system("delayed", "cancel", "Account/del", "later").output == "cancelled later of Account/del\n"
    assert system("delayed", "list", "Account/del").output == "no command waits\n"
    handled = system("delayed", "cancel", "Account/del", "now", "--json")
    assert (handled.status, handled.json["cancelled"]) == (1, False)
    assert "no delayed command never" in one_line(system("delayed", "cancel", "Account/del", "never"))
    assert "CommandCancelled" in one_line(system(*deposit, "later"))
    assert system("query", "Account/del", "balance", "--json").json == "5"


def test_a_start_says_how_long_and_what_of_an_ended_one(system: CommandLine) -> None:
    """The instance ends in time; then its id is refused, or started again."""
    start = ("start", "Onboarding/brief", "--input", ADA)
    assert "timeout" in one_line(system(*start, "--run-timeout", "0.2s", "--wait"))
    assert system("list", "--status", "timed_out", "--json").json["stream"] == "Onboarding/brief"
    assert "has ended" in one_line(system(*start, "--reuse", "refuse"))
    assert system(*start, "--reuse", "restart", "--command-id", "again").output == "started Onboarding/brief\n"
    assert system("query", "Onboarding/brief", "status").output == '"waiting for the customer"\n'
