"""Ports for servers."""

from __future__ import annotations

import socket

from runtime.servers.ports import free_port, is_free


def test_a_free_port_is_free_until_somebody_listens() -> None:
    """A listener is seen."""
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
