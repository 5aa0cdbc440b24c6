"""What the pages say of folders and files is so: tables of files, of folders, of settings, and the glossary."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from tests.acceptance.docs.pages import ROOT, name_of, pages

_NAMED = re.compile(r"`([\w./-]+(?:\.py|\.sql|/))`")
_ROW = re.compile(r"^\| ([^|]+?) \|", re.MULTILINE)
_UNNAMED = {"__init__.py", "__main__.py", "conftest.py"}
TESTS_ONLY = {"tests/faults/README.md", "tests/behaviours/README.md"}  # whose tables leave out what is no concept


def table_of_files(page: Path) -> set[str]:
    """What the first columns of the page's tables name as files or folders."""
    return {name for cell in _ROW.findall(page.read_text()) for name in _NAMED.findall(cell)}


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_tables_of_files_name_what_is_there_and_all_of_it(page: Path) -> None:
    """No file that is gone, and no module beside the page that is left out."""
    named = table_of_files(page)
    assert not [name for name in named if not (page.parent / name).exists()]
    beside = {path.name for path in page.parent.glob("*.py")} - _UNNAMED
    if name_of(page) not in TESTS_ONLY and named & beside:
        assert beside <= named


def test_the_readme_lists_every_folder() -> None:
    """Each folder with something in it is a row of `Where things are`."""
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("## Where things are") :]
    folders = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/**/*.*") if _ours(path)}
    assert {folder for folder in folders if f"[{folder}/](" not in table} == set()


def _ours(path: Path) -> bool:
    part = path.relative_to(ROOT).parts[0]
    return not part.startswith(".") and part not in {"dist", "build"} and "__pycache__" not in path.parts


def test_the_glossary_has_each_word_once_and_in_order() -> None:
    """One meaning a word; found by the alphabet."""
    words = _ROW.findall((ROOT / "GLOSSARY.md").read_text().partition("## ")[0])[1:]
    words = [word.lower() for word in words if not word.startswith("---")]
    assert words == sorted(set(words))


def test_the_table_of_settings_is_what_is_read() -> None:
    """Each setting with its default."""
    from runtime.settings import Settings, variable

    page = (ROOT / "runtime/README.md").read_text()
    rows = dict(re.findall(r"^\| `(PERDURE_\w+)` \| ([^|]*?) \|", page, re.MULTILINE))
    assert set(rows) == {variable(name) for name in Settings.__struct_fields__}
    for name, default in zip(
        reversed(Settings.__struct_fields__), reversed(Settings.__struct_defaults__), strict=False
    ):
        if default not in (None, ""):
            assert (
                rows[variable(name)].strip("`").removesuffix(" s") == f"{default:g}"
                if isinstance(default, float)
                else default
            )


def test_the_table_of_messages_has_each_operation_and_field() -> None:
    """But for those that only nodes and workers send."""
    from runtime import messages

    page = (ROOT / "MESSAGES.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|([^|]*)\|", page, re.MULTILINE))
    inside = {"caller", "asked_at", "stop", "told", "after", "scheduled"}
    for kind in get_args(messages.Inbound):
        name = kind.__struct_config__.tag
        assert f"`{name}`" in page
        if name in rows:
            fields = set(kind.__struct_fields__) - {"type", "id", "correlation_id"} - inside
            assert set(re.findall(r"`(\w+)`", rows[name])) - {"correlation_id"} == fields
        assert not [field for field in inside & set(kind.__struct_fields__) if f"`{field}`" not in page]
    assert {status.value for status in messages.Status} <= set(rows)


def test_the_changelog_names_every_command() -> None:
    """None is added in silence."""
    import typer.main

    from runtime.cli.application import build

    changelog = (ROOT / "CHANGELOG.md").read_text()
    commands = dict(getattr(typer.main.get_command(build()), "commands", {}))
    assert [name for name in commands if f"`{name}`" not in changelog] == []
