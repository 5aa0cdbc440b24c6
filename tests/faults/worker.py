"""A worker of the fault suite: `python -m tests.faults.worker JOURNAL`. It is the runtime's own, and writes down what was confirmed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from runtime import logs
from runtime.cli.running import announce, serve
from runtime.messages import TaskOutcome, decode_inbound
from runtime.settings import Settings, load_settings
from runtime.transport.port import Destination, Message
from runtime.transport.rabbitmq import RabbitMQTransport
from runtime.worker import Worker
from tests.faults.bank import app
from tests.faults.journal import Journal, Saw
from tests.faults.worker_links import LINKS


class WitnessedTransport(RabbitMQTransport):
    """Writes each success into a journal as soon as the broker has confirmed it."""

    def __init__(self, url: str, journal: Journal) -> None:
        super().__init__(url)
        self._journal = journal

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, and write down what is confirmed."""
        await super().publish(messages)
        for message in messages:
            if message.destination is Destination.COMMANDS:
                content = decode_inbound(message.body)
                if isinstance(content, TaskOutcome) and content.error is None:
                    self._journal.write(Saw.OUTCOME, f"{content.stream}#{content.task}", note=content.result)


async def work(journal: Journal, settings: Settings, stop: asyncio.Event) -> None:
    """Run tasks until `stop` is set."""
    assert settings.broker_url is not None
    transport = WitnessedTransport(settings.broker_url, journal)
    try:
        await transport.open()
        await Worker(app, transport, settings).run(stop, lambda: announce("READY=1"))
    finally:
        await transport.close()
        await LINKS.close()


if __name__ == "__main__":
    logs.configure("info")
    serve(lambda stop: work(Journal(Path(sys.argv[1])), load_settings(), stop))
