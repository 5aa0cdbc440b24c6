from tests.simulation.conftest import silence

__all__ = ["silence"]
