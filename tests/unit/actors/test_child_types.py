"""What a type checker makes of children: mypy reads this file with every check."""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

from actors import ChildHandle, Workflow
from actors.definition import WorkflowType


class Ship(Workflow):
    async def run(self, item: str, boxes: int = 1) -> list[str]:
        return [item] * boxes


class Typed(Workflow):
    """Each wrong line is one that mypy would pass over without a word if the child's types were not known."""

    async def run(self) -> None:
        assert_type(await self.execute(Ship, "1", "tea"), list[str])
        assert_type(await self.execute(Ship, "2", item="tea", boxes=2), list[str])
        assert_type(await self.execute(Ship, "3", "tea", on_close="abandon"), list[str])
        assert_type(await self.execute(Ship, "4", "tea", run_timeout=60), list[str])
        assert_type(await self.execute("Ship", "5", "tea", run_timeout=60), Any)
        assert_type(self.start_child(Ship, "6", "tea"), ChildHandle[list[str]])
        assert_type(await self.start_child(Ship, "7", "tea", on_close="terminate", run_timeout=60), list[str])
        assert_type(await asyncio.gather(self.execute(Ship, "8", "tea"), self.start_child(Ship, "9", "tea")), tuple[list[str], list[str]])  # fmt: skip
        await self.execute(Ship, "10", 7)  # type: ignore[call-overload]  # that is no item
        await self.execute(Ship, "11")  # type: ignore[call-overload]  # there is none
        self.start_child(Ship, "12", "tea", crates=1)  # type: ignore[call-arg]  # no such parameter


def test_the_workflow_of_this_page_is_one() -> None:
    """Mypy does the rest: an `ignore` that is not needed is an error, too."""
    assert WorkflowType(Typed).name == "Typed"
