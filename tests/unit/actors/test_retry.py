"""When a failed attempt is followed by another, and after how long."""

from __future__ import annotations

import math
from typing import Any

import pytest

from actors import DefinitionError, Rejected, Retry


def test_delays_grow_by_the_factor_up_to_the_cap() -> None:
    """The documented formula."""
    retry = Retry(first_delay=1, factor=3, max_delay=20)
    assert [retry.delay_after(n, 0.0) for n in (1, 2, 3, 4)] == [1, 3, 9, 20]


def test_jitter_only_shortens() -> None:
    """By up to its fraction of the delay."""
    retry = Retry(first_delay=10, jitter=0.5)
    assert [retry.delay_after(1, random) for random in (0.0, 0.5, 1.0)] == [10, 7.5, 5]


def test_the_last_attempt_is_the_last() -> None:
    """No delay means no other attempt."""
    assert [Retry(max_attempts=2).delay_after(n, 0.0) is None for n in (1, 2, 3)] == [False, True, True]


def test_without_a_maximum_it_goes_on() -> None:
    """However many attempts there were, the delay stays finite and at the cap."""
    assert Retry(max_delay=60, factor=1e9).delay_after(10_000_000, 0.0) == 60


def test_a_factor_near_one_keeps_growing() -> None:
    """The formula has no hidden bound."""
    delay = Retry(first_delay=1, factor=1.01, max_delay=1e6).delay_after(501, 0.0)
    assert delay == pytest.approx(1.01**500)


def test_no_first_delay_is_no_delay_at_all() -> None:
    """Nothing times anything is nothing, also where the power overflows."""
    assert Retry(first_delay=0, factor=10).delay_after(5000, 0.0) == 0


def test_declared_failures_are_not_retried() -> None:
    """A business answer does not get better by asking again."""
    assert not Retry().retries(Rejected("no"))


def test_named_errors_are_not_retried() -> None:
    """Subclasses included."""
    retry = Retry(never=(LookupError,))
    assert (retry.retries(KeyError()), retry.retries(ValueError())) == (False, True)


@pytest.mark.parametrize(
    "figures",
    [{"max_attempts": 0}, {"max_attempts": -1}, {"first_delay": -1}, {"first_delay": math.nan}, {"factor": 0.5},
     {"factor": math.inf}, {"max_delay": -1}, {"max_delay": math.inf}, {"jitter": 1.5}, {"jitter": -0.1}],
)  # fmt: skip
def test_figures_that_make_no_sense_are_refused(figures: dict[str, Any]) -> None:
    """At definition, with the name of the figure."""
    with pytest.raises(DefinitionError, match=next(iter(figures))):
        Retry(**figures)
