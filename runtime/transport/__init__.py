"""Brokers: one port, three adapters."""
