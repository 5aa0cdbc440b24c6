"""How hard the fuzz tier looks: the same examples each time by default, others and more with PERDURE_FUZZ=<times>."""

from __future__ import annotations

import os

import hypothesis

TIMES = int(os.environ.get("PERDURE_FUZZ", "1"))


def effort(examples: int) -> hypothesis.settings:
    """Settings for one test: so many examples, or PERDURE_FUZZ times as many of other ones."""
    return hypothesis.settings(
        max_examples=examples * TIMES,
        deadline=None,
        derandomize="PERDURE_FUZZ" not in os.environ,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
