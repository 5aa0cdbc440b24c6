"""What a page names exists: links, make targets, commands, environment variables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from runtime.cli.application import build
from tests.acceptance.docs.pages import ROOT, code, links, name_of, pages

EACH_PAGE = pytest.mark.parametrize("page", pages(), ids=name_of)
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
_MAKE = re.compile(r"^\s*make ([a-z][a-z-]*)", re.MULTILINE)
_PERDURE = re.compile(r"^\s*perdure ([a-z]+)([^\n#]*)", re.MULTILINE)
_VARIABLE = re.compile(r"\bPERDURE_[A-Z_]*[A-Z]\b")
_FLAG = re.compile(r"(?<=\s)--[a-z][a-z-]*")


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings get."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture(scope="module")
def commands() -> dict[str, Any]:
    """The command line's commands by name."""
    return dict(getattr(typer.main.get_command(build()), "commands", {}))


@EACH_PAGE
def test_links(page: Path) -> None:
    """A relative link leads to a file, and its anchor to a heading."""
    for link in links(page):
        if link.startswith(("http:", "https:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links to {link}"


@EACH_PAGE
def test_make_targets(page: Path) -> None:
    """Every `make …` is in the Makefile."""
    assert set(_MAKE.findall(code(page))) <= set(_TARGET.findall((ROOT / "Makefile").read_text()))


@EACH_PAGE
def test_commands(page: Path, commands: dict[str, Any]) -> None:
    """Every `perdure …` and its flags exist."""
    for name, rest in _PERDURE.findall(code(page)):
        assert name in commands, f"perdure {name}"
        command = commands[name]
        for word in rest.split()[:1]:  # of a group, such as `perdure quarantine list`
            command = getattr(command, "commands", {}).get(word, command)
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert set(_FLAG.findall(rest)) <= flags, f"perdure {name}{rest}"


@EACH_PAGE
def test_environment_variables(page: Path) -> None:
    """Every PERDURE_… is read somewhere: in the code, the tests or the compose file."""
    read = {"PERDURE_" + field.upper() for field in _settings()}
    for place in (*ROOT.glob("runtime/**/*.py"), ROOT / "tests/conftest.py", ROOT / "compose/compose.yaml"):
        read |= set(_VARIABLE.findall(place.read_text()))
    assert set(_VARIABLE.findall(code(page))) <= read


def _settings() -> tuple[str, ...]:
    from runtime import Settings

    return Settings.__struct_fields__
