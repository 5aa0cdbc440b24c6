"""Celery: tasks on RabbitMQ, set up so that no accepted task is lost."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("celery_app", broker=os.environ["CELERY_BROKER_URL"], backend="rpc://")
app.conf.update(
    task_default_queue_type="quorum",  # as Perdure's queues are
    task_default_exchange_type="topic",  # what the documentation wants beside quorum queues
    broker_transport_options={"confirm_publish": True},
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=64,  # short tasks, as the documentation's page on optimizing has it
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def work(total: int, number: int) -> int:
    """Add up, as the workflow does with what its tasks give."""
    return total + number
