"""The names of queues, one naming for every adapter."""

from __future__ import annotations

from runtime.transport.port import Destination, Topology, TransportError

INGRESS = "perdure.ingress"
DEAD = "perdure.dead"


def queue_name(destination: Destination, key: str) -> str:
    """Name the queue that takes a destination's messages with this key; a reply address is its own queue's name."""
    match destination:
        case Destination.COMMANDS:
            return f"perdure.commands.{key}"
        case Destination.TASKS:
            return f"perdure.tasks.{key}"
        case Destination.INGRESS:
            return INGRESS
        case Destination.DEAD:
            return DEAD
        case Destination.REPLIES:
            return key


def queues_of(topology: Topology) -> list[str]:
    """List every queue of a topology, in a stable order."""
    return [
        INGRESS,
        DEAD,
        *(queue_name(Destination.COMMANDS, str(partition)) for partition in range(topology.partitions)),
        *(queue_name(Destination.TASKS, queue) for queue in sorted(topology.task_queues)),
    ]


def missing_queue(name: str) -> TransportError:
    """Describe the attempt to consume a queue that does not exist."""
    return TransportError(f"queue {name!r} does not exist; declare the topology with `perdure migrate`")
