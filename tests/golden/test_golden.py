"""Whatever was recorded by a release replays on the code of today."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import json, structs

from actors.history import History, read_history
from actors.journal import JOURNAL_TYPES
from actors.journal.codec import _CLASSES as EVENTS
from actors.testing import assert_replays
from tests.golden.app import app
from tests.golden.recording import HISTORIES, files_of, record_missing
from tests.golden.stories import STORIES

FILES = sorted(HISTORIES.rglob("*.jsonl"))


def name_of(file: Path) -> str:
    return str(file.relative_to(HISTORIES))


def read(file: Path) -> History:
    with file.open("rb") as lines:
        return read_history(lines, file.name)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_golden_history_replays(file: Path) -> None:
    """Each decision as it was recorded, each event folded."""
    assert_replays(app, file)


def test_every_kind_of_journal_event_is_in_some_history() -> None:
    """A new kind comes with a story: see the README beside this."""
    recorded = {event.type for file in FILES for event in read(file).events}
    assert JOURNAL_TYPES - recorded == set()


NOT_YET = {
    "RunStarted.stop",  # only of a child whose end was asked for before its start came
    "InstanceDeleted.run",
    "ChildCompleted.correction", "ChildFailed.correction", "CommandAnswered.correction", "TaskCompleted.correction",
    "TaskFailed.correction",
}  # fmt: skip


def test_every_field_of_the_journal_is_in_some_history() -> None:
    """Also those that only some events of a kind have. The few that none has are named, so that no other joins them."""
    recorded = {(event.type, name) for file in FILES for event in read(file).events for name in json.decode(event.data)}
    fields = {
        f"{type}.{field.encode_name}"
        for type, event in EVENTS.items()
        for field in structs.fields(event)
        if (type, field.encode_name) not in recorded
    }
    assert fields - NOT_YET == set()


def test_every_story_has_its_histories() -> None:
    """`python -m tests.golden` records a new one."""
    assert [name for name in STORIES if not files_of(name)] == []


def test_recording_never_touches_a_history_that_is_there(tmp_path: Path) -> None:
    """Only what is missing is made."""
    for name in STORIES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "kept.jsonl").write_text("as it was")
    (tmp_path / "attributes" / "kept.jsonl").unlink()
    assert record_missing(tmp_path) == [tmp_path / "attributes" / "Found-1.jsonl"]
    assert {file.read_text() for file in tmp_path.rglob("kept.jsonl")} == {"as it was"}


@pytest.mark.parametrize("name", STORIES)
def test_its_story_can_still_be_told(name: str, tmp_path: Path) -> None:
    """And what it leaves today replays, too."""
    for other in set(STORIES) - {name}:
        (tmp_path / other).mkdir()
        (tmp_path / other / "kept.jsonl").touch()
    for file in record_missing(tmp_path):
        assert_replays(app, file)
