"""Tasks that the workflow tests share. None of them may ever really run: they fail the test that lets them."""

from __future__ import annotations

from typing import Any

from actors import Failure, Task, task


class OutOfStock(Failure):
    """Declared by `reserve`."""


@task
async def double(n: int) -> int:
    raise AssertionError("a task really ran")


@task
async def note(text: str) -> None:
    raise AssertionError("a task really ran")


@task(raises=(OutOfStock,))
async def reserve(sku: str) -> str:
    raise AssertionError("a task really ran")


@task(local=True)
async def look_up(key: str) -> int:
    raise AssertionError("a task really ran")


@task(local=True)
async def look_down(key: str) -> int:
    raise AssertionError("a task really ran")


ALL: tuple[Task[..., Any], ...] = (double, note, reserve, look_up, look_down)
