"""A history with an event that can't be read: each command names the event and the reason, and shows what is before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.debugging.conftest import Perdure, Said

UPCASTER = '    upcasters = [Upcast(Added, 1, lambda old: {"units": old["kg"]})]\n'
OF_RESULT = '    upcasters = [UpcastResult("charge", 1, lambda old: old["receipt"])]\n'
LOOKS = [(), ("--at", "13"), ("--diff", "0", "13"), ("--json",)]
NAMES = {
    "unknown": (
        "stock",
        ('"Taken"', '"Stolen"'),
        "at version 2 the journal has an event of type Stolen, but the code now has no @event method for it (it has: Added, Taken)",
    ),
    "newer": (
        "stock",
        ('"Taken"', '"Taken","schema":7'),
        "at version 2 the journal has Taken of schema 7, but the code now knows it up to schema 1",
    ),
    "misfit": (
        "stock",
        ('{"units":3}', '{"units":"three"}'),
        "event Taken at version 2 does not fit its class: Expected `int`, got `str` - at `$.units`. If the class has changed,",
    ),
    "unknown-fact": (
        "order",
        ('"TaskAttemptFailed"', '"TaskTeleported"'),
        "at version 5 the journal has an event of type TaskTeleported, but the code now does not know that type",
    ),
    "damaged-fact": (
        "order",
        ('{"task":1,', '{"task":"one",'),
        "at version 2 the journal has an event of type TaskCompleted, but the code now can't read it: Expected `int`",
    ),
}


@pytest.fixture(params=NAMES)
def bad(request: pytest.FixtureRequest, folder: Path) -> tuple[str, str]:
    """A file with such an event, and what is said of it."""
    which, (old, new), says = NAMES[request.param]
    file = folder / request.getfixturevalue(which)
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    return file.name, says


def refused(said: Said, says: str) -> None:
    assert said.status == 1
    assert says in said.errors
    assert "Traceback" not in said.errors


def looks(version: str) -> list[tuple[str, ...]]:
    return [tuple(version if word == "13" else word for word in look) for look in LOOKS]


def test_replay_names_it(perdure: Perdure, bad: tuple[str, str]) -> None:
    """Whatever is asked for beyond it; what is before it is shown."""
    file, says = bad
    for look in looks("3" if file.startswith("stock") else "13"):
        said = perdure("replay", file, "--app", "shop:app", *look)
        refused(said, says)
    assert perdure("replay", file, "--app", "shop:app", "--at", "1").status == 0


def test_events_and_show_print_what_is_there(perdure: Perdure, bad: tuple[str, str]) -> None:
    """They run no code: every event is a line, and one of the journal that can't be read says why."""
    file, _ = bad
    newest = 3 if file.startswith("stock") else 13
    assert len(perdure("events", file, "--json").json_lines) == newest
    shown = perdure("show", file, "--lanes", "0")
    assert shown.status == 0
    assert len([line for line in shown.output.splitlines() if line.strip()[:1].isdigit()]) >= newest


def test_check_tells_it_as_the_first_difference(perdure: Perdure, bad: tuple[str, str]) -> None:
    """Status 1, so that CI stops."""
    file, says = bad
    said = perdure("replay", "--check", "shop:app", file)
    assert said.status == 1
    assert says.partition("at version ")[2][:1] in said.output
    assert "Expected `int`" in said.output or says in said.output


def test_a_damaged_event_is_named_by_show(perdure: Perdure, folder: Path, order: str) -> None:
    """And the others are shown."""
    (folder / order).write_text((folder / order).read_text().replace('{"task":1,', '{"task":"one",'))
    shown = perdure("show", order).output
    assert "TaskCompleted can't be read: Expected `int`, got `str` - at `$.task`" in shown
    assert "TaskCompleted(#2 charge)" in shown


def test_an_actors_events_may_look_like_the_runtimes(perdure: Perdure, folder: Path, stock: str) -> None:
    """Names and fields are the user's own: `TaskCompleted`, and `due` as text."""
    text = (folder / stock).read_text()
    (folder / stock).write_text(text.replace('"Taken","data":{', '"TaskCompleted","data":{"due":"at once",'))
    said = perdure("show", stock)
    assert (said.status, said.errors) == (0, "")
    assert 'TaskCompleted  {"due":"at once","units":3}' in said.output


@pytest.mark.parametrize(
    ("which", "owner", "declared", "imports", "version"),
    [
        ("stock", "    state: Shelf\n", UPCASTER, "Upcast", 1),
        ("order", "class Order(Workflow):\n", OF_RESULT, "UpcastResult", 6),
    ],
)
def test_an_upcaster_that_raises_is_named(
    perdure: Perdure, folder: Path, request: pytest.FixtureRequest,
    which: str, owner: str, declared: str, imports: str, version: int,
) -> None:  # fmt: skip
    """With its event and version, what it raised, and its line; what was recorded is whole."""
    file = request.getfixturevalue(which)
    code = (folder / "shop.py").read_text().replace("from actors import Actor", f"from actors import {imports}, Actor")
    (folder / "other.py").write_text(code.replace(owner, owner + declared))
    said = perdure("replay", file, "--app", "other:app")
    refused(said, f"at version {version}: the upcaster of ")
    assert "from schema 1 to 2 raised " in said.errors
    assert "Mend it; what was recorded stays as it is" in said.errors
    checked = perdure("replay", "--check", "other:app", file)
    assert checked.status == 1
    assert f"at version {version}, " in checked.output
    assert "UpcastFailed: the upcaster of " in checked.output
    assert 'other.py", line' in checked.output
