"""Planting a bug: a text in one of the project's own files is replaced while this process reads it; the file stays as it is.

A bug whose text is not there any more, exactly once, is not planted but an error: a mutant that changes nothing would
look like one that was not caught.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from msgspec import Struct

ROOT = Path(__file__).resolve().parents[2]


class TargetGone(Exception):
    """The text that a mutant replaces is not in its file once."""


class Edit(Struct, frozen=True):
    """One replacement, in a Python or SQL file named from the project's root."""

    file: str
    old: str
    new: str

    def apply(self, text: str) -> str:
        """Give the text with the bug; raises `TargetGone`."""
        if (count := text.count(self.old)) != 1:
            raise TargetGone(
                f"{self.file} has this text {count} times, not once; write the mutant anew for the code of today:\n{self.old}"
            )
        return text.replace(self.old, self.new)

    def check(self) -> None:
        """See that the target is there; raises `TargetGone`."""
        path = ROOT / self.file
        if not path.exists():
            raise TargetGone(f"{self.file} is gone; write the mutant anew for the code of today")
        self.apply(path.read_text(encoding="utf-8"))


def plant(edits: Sequence[Edit]) -> None:
    """Have this process read the edited texts; before any of the files is read."""
    for edit in edits:
        edit.check()
    by_path: dict[Path, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(ROOT / edit.file, []).append(edit)
    for path in by_path:
        if path.suffix == ".py" and (name := ".".join(path.relative_to(ROOT).with_suffix("").parts)) in sys.modules:
            raise RuntimeError(f"{name} was imported before its bug could be planted")
    sys.meta_path.insert(0, _Finder(by_path))
    _patch_reading(by_path)


def _edited(text: str, edits: Sequence[Edit]) -> str:
    for edit in edits:
        text = edit.apply(text)
    return text


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the edited source, and neither reads nor writes bytecode."""

    edits: Sequence[Edit] = ()

    def get_code(self, fullname: str) -> CodeType:
        source = _edited(Path(self.path).read_text(encoding="utf-8"), self.edits)
        code: CodeType = self.source_to_code(source.encode(), self.path)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, by_path: dict[Path, list[Edit]]) -> None:
        self._by_path = by_path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = ROOT / (fullname.replace(".", "/") + ".py")
        edits = self._by_path.get(file)
        if edits is None:
            return None
        loader = _Loader(fullname, str(file))
        loader.edits = edits
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


def _patch_reading(by_path: dict[Path, list[Edit]]) -> None:
    read_text = Path.read_text

    def edited(self: Path, *args: Any, **kwargs: Any) -> str:
        text = read_text(self, *args, **kwargs)
        return _edited(text, by_path[self]) if self.suffix == ".sql" and self in by_path else text

    Path.read_text = edited  # type: ignore[method-assign]  # SQL is read so, and by nothing else here
