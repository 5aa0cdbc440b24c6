"""An actor that notes lines: stories of commands add their own commands to it."""

from __future__ import annotations

from msgspec import Struct

from actors import Actor, event, query


class Noted(Struct):
    """A line was noted."""

    line: str


class Page(Struct):
    """What has been noted so far."""

    lines: list[str] = []


class Notebook(Actor):
    """Its events and its query."""

    state: Page

    @event
    def noted(self, noted: Noted) -> None:
        self.state.lines.append(noted.line)

    @query
    def lines(self) -> list[str]:
        return self.state.lines
