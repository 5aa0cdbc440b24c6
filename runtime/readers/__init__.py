"""Reading the log for others: projections into tables, and whatever else goes on from a durable checkpoint."""

from runtime.readers.projection import Projection, Projections, Recorded

__all__ = ["Projection", "Projections", "Recorded"]
