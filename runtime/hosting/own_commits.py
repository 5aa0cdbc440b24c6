"""What a partition writes on its own account: marks of published messages, messages put aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog
from msgspec import Struct

from eventstore import Commit, CommitRefused, StaleEpoch, StoreError, StoreUnavailable
from runtime.clock import Clock
from runtime.committer import Committer
from runtime.hosting.schedule import Schedule

AGAIN = timedelta(seconds=1)

log = structlog.get_logger("perdure.partition")


class OwnUnit(Struct, eq=False):
    """A commit of the partition's own, on its way into the log."""

    commit: Commit
    commits: OwnCommits
    durable: Callable[[], None]
    refused: Callable[[], None] | None = None
    unknown: Callable[[], None] | None = None  # instead of writing it again
    withdrawn: bool = False

    def settle(self, error: StoreError | None) -> None:
        """Hear from the committer. Such commits may be written twice, so an unknown one just goes again."""
        if error is None:
            self.durable()
        elif isinstance(error, StaleEpoch):
            self.commits.fenced(error)
        elif isinstance(error, StoreUnavailable):
            (self.unknown or partial(self.commits.again, self))()
        elif self.refused is not None and isinstance(error, CommitRefused):
            self.refused()
        else:
            log.error("the partition's own commit was refused", partition=self.commit.partition, error=str(error))
            if self.unknown is not None:
                self.unknown()  # whoever makes such commits anew must not wait for this one for ever


class OwnCommits:
    """Hands a partition's own commits to the group commit, until they are durable or the partition is lost."""

    def __init__(
        self, committer: Committer, clock: Clock, schedule: Schedule, fenced: Callable[[StaleEpoch], None]
    ) -> None:
        self._committer, self._clock, self._schedule, self.fenced = committer, clock, schedule, fenced

    def submit(
        self,
        commit: Commit,
        durable: Callable[[], None],
        *,
        refused: Callable[[], None] | None = None,
        unknown: Callable[[], None] | None = None,
    ) -> None:
        """Write a commit.

        Args:
            commit: what to write; writing it twice must do no harm.
            durable: called when it is in the log.
            refused: called when the store refuses it for another reason than a new owner.
            unknown: called when its outcome is unknown; by default it is written again after a moment.
        """
        self._committer.submit(OwnUnit(commit, self, durable, refused, unknown))

    def again(self, unit: OwnUnit) -> None:
        """Write a commit whose outcome is unknown once more, after a moment."""
        self._schedule.add(self._clock.now() + AGAIN, partial(self._committer.submit, unit))
