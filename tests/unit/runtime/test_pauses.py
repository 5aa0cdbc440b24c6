"""The pauses between two tries."""

from __future__ import annotations

import pytest

from runtime.consuming import STORE_PAUSE, pause


@pytest.mark.parametrize("failures", [0, 1, 5, 20, 10_000])
def test_a_database_that_is_back_is_not_kept_waiting(failures: int) -> None:
    """However long it was away: a lease, a stream and a commit wait one after the other, and all of it is recovery time."""
    assert 0 < pause(failures, 0.999, STORE_PAUSE) <= STORE_PAUSE


def test_pauses_grow_and_differ() -> None:
    """Many who failed together do not come back together."""
    assert pause(1, 0.5) < pause(2, 0.5) < pause(4, 0.5) <= 5.0
    assert pause(3, 0.0) < pause(3, 0.9)
