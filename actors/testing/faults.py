"""What goes wrong on purpose while a story is told."""

from __future__ import annotations

from msgspec import Struct


class Faults(Struct, frozen=True, kw_only=True):
    """Faults that a story must not notice. Steps and attempts are counted from 1 over the whole story; None: never.

    Args:
        crash_before: the node dies before this step is durable. The activation is rebuilt, the message comes again.
        crash_after: the node dies when this step is durable, but before it could say so. The same.
        rerun: the worker dies after this attempt of a task has run, before it could say so. The attempt is run again.
        passivate: every activation is dropped after every message, and rebuilt from its journal.
        snapshots: with a snapshot of every actor at every event.
        twice: every message comes twice, to instances and to workers.
    """

    crash_before: int | None = None
    crash_after: int | None = None
    rerun: int | None = None
    passivate: bool = False
    snapshots: bool = False
    twice: bool = False


NO_FAULTS = Faults()
