"""What a publisher in any language has: an AMQP client, JSON and CRC-32. Nothing of ours is imported here."""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Mapping
from typing import Any

import pika  # type: ignore[import-untyped]  # pika ships no types

INGRESS, COMMANDS = "perdure.ingress", "perdure.commands"
Unroutable: type[Exception] = pika.exceptions.UnroutableError
PATIENCE = 20  # seconds until an answer must be here

Body = Mapping[str, Any] | bytes


class BareClient:
    """One connection, one reply queue. Blocking: call it from a thread."""

    def __init__(self, url: str, partitions: int) -> None:
        self._partitions = partitions
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._replies = self._channel.queue_declare("", exclusive=True).method.queue

    def close(self) -> None:
        self._connection.close()

    def partition(self, type: str, id: str) -> int:
        return zlib.crc32(f"{type}/{id}".encode()) % self._partitions

    def _key(self, body: Mapping[str, Any], exchange: str) -> str:
        type, id = body["type"], body["id"]
        return f"{type}.{id}" if exchange == INGRESS else str(self.partition(type, id))

    def publish(
        self,
        body: Body,
        exchange: str = COMMANDS,
        *,
        key: str | None = None,
        reply_to: str | None = None,
        correlation_id: str | None = None,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Publish a message and wait for its confirm; raises pika's `UnroutableError` when no queue takes it."""
        if key is None and not isinstance(body, bytes):
            key = self._key(body, exchange)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            message_id=uuid.uuid4().hex,
            reply_to=reply_to,
            correlation_id=correlation_id,
            headers=headers,
        )
        self._channel.basic_publish(exchange, key or "any", data, properties, mandatory=True)

    def ask(self, body: Body, exchange: str = COMMANDS, **options: Any) -> dict[str, Any]:
        """Publish a message and wait for the answer that carries its correlation id."""
        correlation_id = uuid.uuid4().hex
        self.publish(body, exchange, reply_to=self._replies, correlation_id=correlation_id, **options)
        for _, properties, reply in self._channel.consume(self._replies, auto_ack=True, inactivity_timeout=PATIENCE):
            if properties is None:
                raise AssertionError(f"no answer within {PATIENCE} s to {body!r:.200}")
            if properties.correlation_id == correlation_id:
                return dict(json.loads(reply))
        raise AssertionError("the reply queue is gone")

    def ask_directly(self, body: Mapping[str, Any], exchange: str) -> dict[str, Any]:
        """The same with RabbitMQ's direct reply-to: no queue is made at all."""
        channel = self._connection.channel()
        answers: list[bytes] = []
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *delivery: answers.append(delivery[3]), auto_ack=True)
        properties = pika.BasicProperties(reply_to="amq.rabbitmq.reply-to", correlation_id="1", delivery_mode=2)
        channel.basic_publish(exchange, self._key(body, exchange), json.dumps(body).encode(), properties)
        for _ in range(PATIENCE * 10):
            self._connection.process_data_events(0.1)
            if answers:
                return dict(json.loads(answers[0]))
        raise AssertionError(f"no direct answer within {PATIENCE} s")
