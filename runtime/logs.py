"""Structured logs, and silence during replay."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from actors.loop import DurableLoop


def configure(level: str = "info", *, json: bool = False) -> None:
    """Set structlog up for a process of Perdure: to stderr, as lines for people or as JSON.

    Args:
        level: debug, info, warning or error.
        json: whether a program reads it.
    """
    for name in ("aiormq", "aio_pika"):  # they log a lost connection at length; whoever supervises it says it in a line
        logging.getLogger(name).setLevel(logging.CRITICAL)
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    renderer: Any = (
        structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            drop_in_workflows,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def drop_in_workflows(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what workflow code logs by itself while it is replayed: it was said the first time (a structlog processor)."""
    loop = asyncio._get_running_loop()  # noqa: SLF001 - asks without raising where no loop runs
    if isinstance(loop, DurableLoop) and loop.host.replaying:
        raise structlog.DropEvent
    return event
