"""The client: `client` has the calls, `calls` makes messages of them, `asking` brings back the answers."""

from runtime.client.calls import Address
from runtime.client.client import Client

__all__ = ["Address", "Client"]
