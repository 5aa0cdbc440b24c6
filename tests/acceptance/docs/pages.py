"""The project's pages, taken apart: code blocks, links, and what they name."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[3]
_FOLDERS = ("actors", "eventstore", "runtime", "compose", "tests", "examples")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


class Block(msgspec.Struct):
    """A fenced block of code."""

    language: str
    text: str


def pages() -> list[Path]:
    """Every page of the project."""
    inside = (page for folder in _FOLDERS for page in (ROOT / folder).rglob("*.md"))
    return sorted([*ROOT.glob("*.md"), *inside])


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    """The page's fenced blocks, in order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text())]


def links(page: Path) -> list[str]:
    """Where the page's links lead, those in code aside."""
    return _LINK.findall(_CODE.sub("", _BLOCK.sub("", page.read_text())))


def code(page: Path) -> str:
    """All that stands in blocks and in backticks."""
    text = page.read_text()
    return "\n".join([block.text for block in blocks(page)] + _CODE.findall(_BLOCK.sub("", text)))


def python_file(page: Path, name: str) -> str:
    """The Python block whose first line is the comment `# name`."""
    (found,) = [block.text for block in blocks(page) if block.text.startswith(f"# {name}\n")]
    return found


def shell_block(page: Path, start: str) -> list[str]:
    """The lines of the shell block that begins with these words."""
    (found,) = [b.text.splitlines() for b in blocks(page) if b.language == "sh" and b.text.startswith(start)]
    return found
