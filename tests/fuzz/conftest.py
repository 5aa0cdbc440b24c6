from __future__ import annotations

from tests.simulation.conftest import silence

__all__ = ["silence"]
