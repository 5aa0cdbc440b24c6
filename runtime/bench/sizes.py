"""How much of everything a run does."""

from __future__ import annotations

from msgspec import Struct


class Sizes(Struct, frozen=True, kw_only=True):
    """Times are seconds."""

    warm_up: float  # before each measurement
    seconds: float  # of each measurement
    lanes: tuple[int, ...] = (1, 50, 200)  # concurrent requests
    fan_out: tuple[int, ...]  # W4: tasks of one execution
    actors: int  # W5
    folded: int  # W6: events of the actor that is folded in process
    replayed: int  # W6: steps of the coroutine that is replayed in process
    stream: int  # W6: events of the stream that is activated from the database
    activations: int  # W6: how many such streams
    sleepers: int  # W7: instances that sleep for a day
    burst: int  # W7: instances that wake in the same second
    rate: float  # W8: starts per second
    rate_seconds: float
    kills: int  # W9


QUICK = Sizes(
    warm_up=0.3,
    seconds=1.0,
    fan_out=(200, 1000),
    actors=500,
    folded=20_000,
    replayed=1000,
    stream=5000,
    activations=2,
    sleepers=1000,
    burst=500,
    rate=50,
    rate_seconds=3,
    kills=1,
)
USUAL = Sizes(
    warm_up=1.5,
    seconds=6.0,
    fan_out=(1000, 10_000, 50_000),
    actors=10_000,
    folded=100_000,
    replayed=10_000,
    stream=100_000,
    activations=3,
    sleepers=20_000,
    burst=20_000,
    rate=200,
    rate_seconds=15,
    kills=3,
)
FULL = Sizes(
    warm_up=3.0,
    seconds=15.0,
    fan_out=(1000, 10_000, 50_000),
    actors=10_000,
    folded=100_000,
    replayed=10_000,
    stream=100_000,
    activations=5,
    sleepers=1_000_000,
    burst=100_000,
    rate=200,
    rate_seconds=60,
    kills=5,
)
