"""The command line as a stranger reads it: whole sentences, known panels, a word on every option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from runtime.cli.application import build, run


def _commands(group: Any, path: str = "perdure") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _names(command: Any) -> set[str]:
    return {param.name for param in command.params}


ROOT = typer.main.get_command(build())
COMMANDS = dict(_commands(ROOT))


def test_help_lists_every_command_in_a_panel_and_in_whole_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """What is cut off nobody understands."""
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out
    assert "..." not in listed.replace("[ARGS]...", "")
    assert "Commands:" not in listed
    for name in ROOT.commands:  # type: ignore[attr-defined]  # a group
        assert f"\n  {name} " in listed


@pytest.mark.parametrize("name", [name for name, command in ROOT.commands.items() if hasattr(command, "commands")])  # type: ignore[attr-defined]  # a group
def test_a_group_lists_its_commands_in_whole_sentences(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As the top does."""
    assert run([name, "--help"]) == 0
    assert "..." not in capsys.readouterr().out.replace("[ARGS]...", "")


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_explained(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By what it does; and each command says what it is for."""
    command = COMMANDS[path]
    assert command.help
    for param in command.params:
        assert getattr(param, "help", None), f"{path} {param.name}"
    assert run([*path.split()[1:], "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: {path} " in shown
    assert "<" not in shown.partition("\nOptions:\n")[2], "a type of Python"
    assert "x>=" not in shown


@pytest.mark.parametrize("path", [path for path, command in COMMANDS.items() if "database_url" in _names(command)])
def test_servers_are_named_by_the_same_three_options(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In a section of their own, below the command's."""
    assert {"broker_url", "data"} <= _names(COMMANDS[path])
    assert run([*path.split()[1:], "--help"]) == 0
    own, _, servers = capsys.readouterr().out.partition("\nServers:\n")
    assert "--database-url" in servers
    assert "--database-url" not in own


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("start Order", "expected type/id"),
        ("start Order/1 --reuse again", "--reuse"),
        ("start Order/1 --run-timeout soon", "--run-timeout 'soon' is no time"),
        ("start Order/1 --attribute customer", "NAME=VALUE"),
        ("start Order/1 --attribute x=null", "--attribute: "),
        ("start Order/1 --input 7", "--input must be an object"),
        ("send Order/1 ship --after 5m --no-wait", "exclude each other"),
        ("send Order/1 ship --after later", "--after 'later' is no time"),
        ("send Order/1 ship --at 2027-01-01T00:00", "no time zone"),
        ("resolve Offer/1 price", "--reject REASON"),
        ("resolve Offer/1 price hello", "text is JSON in quotes"),
        ("resolve Offer/1 price {a", "JSON is malformed"),
        ("delayed list Order/", "not allowed: it is empty"),
        ("delayed cancel Order/1", "Missing argument"),
        ("delayed cancel Order x", "expected type/id"),
        ("delete Order/1", "say --yes"),
        ("list --where total", "--where: 'total' is no condition"),
        ("list --status odd", "--status is one of"),
        ("follow Order Order/1", "either types or instances"),
        ("follow --after 7", "--after"),
        ("fork Order/1 --id 1", "the original itself"),
        ("fork Order/1 --id 2 --change x", "expected VERSION=JSON"),
        ("export", "export what?"),
        ("replay Order/1 --step --diff 1 2", "at a time"),
        ("quarantine redrive", "say --all"),
        ("projection rebuild nothing x", "does not name"),
        ("bogus", "No such command"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(line: str, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is asked of a server."""
    assert run(line.split()) == 2
    said = capsys.readouterr()
    assert complaint in said.err
    assert said.err.startswith("perdure: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
