"""Send a command and read its answer with nothing but an AMQP client and JSON, as MESSAGES.md says. No Perdure here.

PERDURE_BROKER_URL=amqp://guest:guest@localhost/ python examples/publish.py Account/alice deposit '{"amount": "5.00"}'
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from datetime import UTC, datetime

import pika  # type: ignore[import-untyped]  # has no types

PATIENCE = 3.0  # seconds without an answer before the same command is published again; its id makes that safe
ATTEMPTS = 5


def main(target: str, name: str, arguments: str) -> int:
    """Publish until there is an answer; 0 when it is ok."""
    type_, _, id_ = target.partition("/")
    command = {
        "op": "command",
        "type": type_,
        "id": id_,
        "name": name,
        "command_id": uuid.uuid4().hex,
        "input": json.loads(arguments),
        "sent_at": datetime.now(UTC).isoformat(),
    }
    with pika.BlockingConnection(pika.URLParameters(os.environ["PERDURE_BROKER_URL"])) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # from now on publishing returns when the broker has the message, or raises
        replies = channel.queue_declare("", exclusive=True).method.queue
        properties = pika.BasicProperties(reply_to=replies, correlation_id="1", delivery_mode=2)
        for _ in range(ATTEMPTS):
            channel.basic_publish(
                "perdure.ingress", f"{type_}.{id_}", json.dumps(command).encode(), properties, mandatory=True
            )
            for _, _, body in channel.consume(replies, auto_ack=True, inactivity_timeout=PATIENCE):
                if body is None:
                    break
                answer = json.loads(body)
                print(json.dumps(answer))
                return 0 if answer["status"] == "ok" else 1
    print("no answer: is a node running?", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
