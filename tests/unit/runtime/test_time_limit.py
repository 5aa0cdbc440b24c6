"""Time limits of attempts end what takes too long, and nothing else."""

import asyncio

import pytest

from runtime.time_limit import TimeLimits


async def _forever() -> None:
    await asyncio.Event().wait()


async def test_a_block_that_takes_too_long_raises_timeout_error() -> None:
    """And says that it was this limit."""
    limit = TimeLimits().of(0.001)
    with pytest.raises(TimeoutError), limit:
        await _forever()
    assert limit.expired


async def test_a_block_in_time_is_left_alone() -> None:
    """Its value counts, and a later, longer wait of the same task is not cut short by it."""
    limits = TimeLimits()
    with limits.of(0.001) as limit:
        value = 7
    with limits.of(0.05), pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await _forever()
    assert (value, limit.expired) == (7, False)


async def test_a_block_s_own_timeout_error_is_not_ours() -> None:
    """A function may raise TimeoutError itself, long before its limit."""
    limit = TimeLimits().of(60)
    with pytest.raises(TimeoutError, match="theirs"), limit:
        raise TimeoutError("theirs")
    assert not limit.expired


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    """Even when time is up at the same moment."""
    limits, entered = TimeLimits(), asyncio.Event()

    async def attempt() -> None:
        with limits.of(0.001) as limit:
            entered.set()
            while not limit.expired:
                try:
                    await _forever()
                except asyncio.CancelledError:
                    task.cancel()
            await _forever()

    task = asyncio.create_task(attempt())
    await entered.wait()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_each_block_of_a_lane_ends_at_its_own_time() -> None:
    """The timer of the oldest looks after those that began later, too."""
    limits, ended = TimeLimits(), []

    async def attempt(name: str) -> None:
        with limits.of(0.005):
            try:
                await _forever()
            finally:
                ended.append(name)

    first = asyncio.create_task(attempt("first"))
    await asyncio.sleep(0)
    second = asyncio.create_task(attempt("second"))
    outcomes = await asyncio.gather(first, second, return_exceptions=True)
    assert ([type(outcome) for outcome in outcomes], ended) == ([TimeoutError] * 2, ["first", "second"])


async def test_a_function_that_swallows_the_cancellation_keeps_its_value() -> None:
    """As with `asyncio.timeout`: nothing is raised over a block that ended normally, and the task is not left cancelled."""
    value = "lost"
    with TimeLimits().of(0.001) as limit:
        try:
            await _forever()
        except asyncio.CancelledError:
            value = "kept"
    task = asyncio.current_task()
    assert (value, limit.expired, task is not None and task.cancelling()) == ("kept", True, 0)
