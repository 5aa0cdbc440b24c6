"""The examples of MESSAGES.md, published as they stand there to the README's application."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType

import pytest_asyncio

from runtime import Settings, load_settings, migrate, run_node, run_worker
from tests.acceptance.docs.pages import ROOT, blocks, python_file
from tests.integration.messages.bare_client import BareClient

FreshAddress = Callable[[], Awaitable[str]]

EXAMPLES = [block.text for block in blocks(ROOT / "MESSAGES.md") if block.text.startswith("exchange")]


def shop(folder: Path) -> ModuleType:
    """The README's module."""
    file = folder / "readme_shop.py"
    file.write_text(python_file(ROOT / "README.md", "shop.py"))
    spec = importlib.util.spec_from_file_location("readme_shop", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest_asyncio.fixture
async def settings(fresh_database: FreshAddress, fresh_vhost: FreshAddress, tmp_path: Path) -> AsyncIterator[Settings]:
    """Real servers with a node and a worker for the README's application."""
    app = shop(tmp_path).app
    made = load_settings({}, database_url=await fresh_database(), broker_url=await fresh_vhost())
    await migrate(made, app)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run_node(app, made, stop), name="node")
        group.create_task(run_worker(app, made, None, stop), name="worker")
        yield made
        stop.set()


def parts(example: str) -> tuple[str, str, bytes, str]:
    """An example's exchange, routing key, body and answer."""
    labelled: dict[str, str] = {}
    label = ""
    for line in example.splitlines():
        label = line[:12].strip() or label
        labelled[label] = labelled.get(label, "") + line[12:].partition("   correlation_id")[0]
    body, answer = labelled["body"], labelled["answer"]
    return labelled["exchange"].strip(), labelled["routing key"].strip(), body.encode(), answer


async def test_examples(settings: Settings) -> None:
    """Each is answered as it says, the second one also when it is said twice."""
    assert len(EXAMPLES) == 3
    client = await asyncio.to_thread(BareClient, settings.broker_url or "", 8)
    for example in (*EXAMPLES[:2], *EXAMPLES[1:]):
        exchange, key, body, answer = parts(example.replace('"2026-03-01T09:30:00Z"', '"2999-03-01T09:30:00Z"'))
        assert await asyncio.to_thread(client.ask, body, exchange, key=key) == json.loads(answer)
    await asyncio.to_thread(client.close)
