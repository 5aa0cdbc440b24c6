"""`list`, `show`, `events`, `replay` and `doctor` on what real processes have written."""

from __future__ import annotations

import pytest

from tests.acceptance.cli.conftest import CommandLine, one_line

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def used(system: CommandLine) -> CommandLine:
    """A system with one finished workflow, one that waits, and an account with two movements."""
    system("start", "Onboarding/done", "--input", '{"email": "done@example.org"}')
    system("send", "Onboarding/done", "confirm")
    system("result", "Onboarding/done")
    system("start", "Onboarding/waits", "--input", '{"email": "waits@example.org"}')
    system("send", "Account/ada", "deposit", "--input", '{"amount": "10"}')
    system("send", "Account/ada", "withdraw", "--input", '{"amount": "4"}')
    return system


def test_listing(used: CommandLine) -> None:
    """All, or those of a type and a status; as a table, or a JSON document a line."""
    everything = used("list", "--json").json_lines
    assert {listed["stream"] for listed in everything} == {"Onboarding/done", "Onboarding/waits", "Account/ada"}
    completed = used("list", "--type", "Onboarding", "--status", "completed").output
    assert "Onboarding/done" in completed
    assert "Onboarding/waits" not in completed


def test_showing_one_that_ended(used: CommandLine) -> None:
    """Its result, and its history in words, with the names of tasks."""
    shown = used("show", "Onboarding/done").output
    assert 'result: {"email":"done@example.org"' in shown
    assert "TaskCompleted(#1 create_account)" in shown
    assert used("show", "Onboarding/done", "--json").json["status"] == "completed"


def test_showing_one_that_waits(used: CommandLine) -> None:
    """What it waits for."""
    waiting = used("show", "Onboarding/waits", "--json").json["waiting_for"]
    assert waiting == [] or any("timer" in what or "task" in what for what in waiting)


def test_events_are_the_log_as_it_is(used: CommandLine) -> None:
    """Versions without gaps, payloads as JSON, and only those asked for."""
    events = used("events", "Account/ada", "--json").json_lines
    assert [(event["version"], event["type"], event["data"]) for event in events] == [
        (1, "Deposited", {"amount": "10"}),
        (2, "Withdrawn", {"amount": "4"}),
    ]
    assert [e["version"] for e in used("events", "Account/ada", "--json", "--after", "1").json_lines] == [2]
    assert used("events", "Account/ada").output.splitlines()[1].split()[0] == "1"


def test_replaying_an_actor(used: CommandLine) -> None:
    """The state after each event."""
    steps = used("replay", "Account/ada", "--app", "both:app", "--json").json_lines
    assert [step["state"]["balance"] for step in steps] == ["10", "6"]


def test_replaying_a_workflow(used: CommandLine) -> None:
    """The attributes after each event, and what it waits for at one of them."""
    steps = used("replay", "Onboarding/done", "--app", "both:app", "--json").json_lines
    assert (steps[0]["state"], steps[-1]["state"]) == ({"confirmed": False}, {"confirmed": True})
    at_start = used("replay", "Onboarding/done", "--app", "both:app", "--at", "1").output
    assert "waits for task #1 create_account; task #2 check_credit" in at_start
    assert "there is no version 99" in one_line(used("replay", "Onboarding/done", "--app", "both:app", "--at", "99"))


def test_replaying_with_code_that_does_something_else(used: CommandLine) -> None:
    """The first difference is named: what was recorded, and what the code wants now."""
    changed = (
        "from actors import App, Workflow, command, task\n"
        "@task\nasync def greet() -> str: ...\n"
        "class Onboarding(Workflow):\n"
        "    async def run(self, email: str) -> None: await greet()\n"
        "    @command\n    def confirm(self) -> None: ...\n"
        "app = App(actors=[Onboarding], tasks=[greet])\n"
    )
    (used.folder / "changed.py").write_text(changed)
    replayed = used("replay", "Onboarding/done", "--app", "changed:app")
    assert replayed.status == 1
    assert "at version 2 the journal has TaskScheduled(#1 create_account)" in replayed.errors
    assert "TaskScheduled(#1 greet)" in replayed.errors
    assert "RunStarted" in replayed.output


def test_the_doctor_finds_a_healthy_system(used: CommandLine) -> None:
    """Every check is fine."""
    examined = used("doctor", "--app", "both:app", "--json")
    assert examined.status == 0, examined.output
    assert {finding["check"] for finding in examined.json_lines} >= {
        "database",
        "schema",
        "broker",
        "topology",
        "nodes",
    }
