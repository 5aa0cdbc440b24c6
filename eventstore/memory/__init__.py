"""The in-memory event store: the same contract as Postgres, for tests and simulation."""

from eventstore.memory.leases import MemoryLeases
from eventstore.memory.store import MemoryStore

__all__ = ["MemoryLeases", "MemoryStore"]
