"""Benchmarks that need more than Perdure: they are no part of what is installed."""
