"""What may go wrong in a simulated installation, how often in this one, and how often it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """A class of faults. A set of seeds in which one of them never happened has tested nothing of it."""

    NODE_KILLED = "a node was killed at some await"
    WORKER_KILLED = "a worker was killed at some await"
    ALL_KILLED = "everything was killed at once"
    NODE_STOPPED = "a node stood still for longer than its lease"
    WORKER_STOPPED = "a worker stood still"
    NODE_ENDED = "a node was stopped in order"
    WORKER_ENDED = "a worker was stopped in order"
    CONNECTION_LOST = "a process lost its connection to the broker"
    BROKER_DOWN = "the broker was down, with all connections lost"
    STORE_DOWN = "the store was down"
    LEASE_STOLEN = "a lease was taken away"
    MACHINE_ASLEEP = "time went by with nothing running"
    QUEUE_PURGED = "a queue was purged"
    QUEUE_DELETED = "a queue vanished, and was declared again later"
    COMMIT_NOT_DONE = "a commit was not done, and had no answer"
    COMMIT_ANSWER_LOST = "a commit was done, and its answer lost"
    COMMIT_OUTLIVED = "a commit was done after its caller had been told that there is no answer"
    COMMIT_LATE = "a commit took seconds"
    READ_FAILED = "a read had no answer"
    LEASE_CALL_FAILED = "a call about leases was not done"
    LEASE_ANSWER_LOST = "a call about leases was done, and its answer lost"
    PUBLISH_NOT_DONE = "a publish was not done, and had no confirm"
    PUBLISH_OUTLIVED = "a publish was done after its caller had been told that there is no confirm"
    CONFIRM_LOST = "a publish was done, and its confirm lost"
    CONFIRM_LATE = "a confirm came seconds later"
    REPLY_LOST = "an answer to a client was lost"
    ACK_LOST = "an ack was lost"
    MESSAGE_DOUBLED = "a message came twice"
    MESSAGE_OVERTAKEN = "a message came after later ones"
    CALLER_GAVE_UP = "a caller gave up waiting, and asked again later"


class Weather:
    """The faults that single calls and messages meet; the others are `Chaos`'s.

    Args:
        chance: where all of it comes from.
        rates: how likely a fault is wherever it could happen, from 0 to 1.
        latency: of a call in each direction, at most, in seconds.
    """

    def __init__(self, chance: Random, rates: Mapping[Fault, float] | None = None, latency: float = 0.003) -> None:
        self.chance = chance
        self.rates = dict(rates or {})
        self.seen: Counter[Fault] = Counter()
        self.broker_down = self.store_down = False
        self.under_way = 0  # messages and commits that come later than their senders believe
        self._latency = latency

    def strikes(self, fault: Fault) -> bool:
        """Decide whether the fault happens here and now."""
        rate = self.rates.get(fault)
        if not rate or self.chance.random() >= rate:
            return False
        self.seen[fault] += 1
        return True

    def latency(self) -> float:
        """Give the seconds that a message is on its way: mostly few."""
        return self._latency * self.chance.random() ** 3

    def delay(self) -> float:
        """Give the seconds by which something is late: up to several leases."""
        return 0.05 + 3.0 * self.chance.random() ** 2

    def clear_up(self) -> None:
        """Let nothing happen any more."""
        self.rates.clear()
        self.broker_down = self.store_down = False
