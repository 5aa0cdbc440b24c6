"""The broker that the simulation uses, in calm weather: what is found on it must be true of the real ones."""

from __future__ import annotations

from random import Random

from runtime.transport import Transport
from tests.conformance.transport.kits import Kit
from tests.simulation.network import RemoteTransport, StormyBroker
from tests.simulation.weather import Weather


class SimulatedKit(Kit):
    """A broker in memory, behind a network in which nothing goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self._weather = Weather(Random(1))
        self._broker = StormyBroker(self._weather)

    def _make(self) -> Transport:
        return RemoteTransport(self._broker, self._weather)

    async def cut(self) -> None:
        self._broker.drop_all()
