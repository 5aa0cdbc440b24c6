from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Thousands of simulated deaths say a lot; SIMULATION_LOG=info lets them."""
    level = logging.getLevelNamesMapping()[os.environ.get("SIMULATION_LOG", "critical").upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    yield
    structlog.reset_defaults()
