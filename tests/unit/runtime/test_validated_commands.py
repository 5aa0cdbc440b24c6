"""Commands with a validator where things go wrong: nobody to tell, a mistake, a stuck instance."""

from __future__ import annotations

import pytest

from actors import App, Rejected, Workflow, command, query, validator
from runtime import CommandQuarantined, InstanceStuck
from tests.simulation.audit import types_of
from tests.simulation.world import World, simulate

ORDER = "Order/1"


class Order(Workflow):
    def __init__(self) -> None:
        self.paid, self.shipped = False, False

    async def run(self) -> None:
        await self.until(lambda: self.shipped)

    @command
    def pay(self, how: str = "card") -> None:
        if how == "unluckily":
            raise ZeroDivisionError("a mistake")
        self.paid = True

    @command
    def ship(self, how: str = "by train") -> str:
        self.shipped = True
        return how

    @validator(ship)
    def can_ship(self, how: str = "by train") -> None:
        if how == "unluckily":
            raise ZeroDivisionError("a mistake of the validator")
        if not self.paid:
            raise Rejected("not paid")

    @query
    def is_paid(self) -> bool:
        return self.paid


APP = App(actors=[Order])


def test_a_refusal_that_nobody_hears_is_put_aside_and_can_be_sent_again() -> None:
    """It was accepted, so it must not vanish; sent again later, it is judged by the state of then."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Order, "1")
            await client.send(Order, "1", "ship", command_id="x")
            (kept,) = await world.until(world.store.quarantined)
            assert kept.reason == "Rejected: not paid"
            await client.call(Order, "1", "pay")
            assert await client.call(Order, "1", "ship", command_id="x") == "by train"
        await world.stop_all()

    simulate(story, APP)


def test_a_mistake_in_a_validator_puts_the_command_aside_and_the_instance_goes_on() -> None:
    """It is tried three times; nothing of it is in the journal."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Order, "1")
            with pytest.raises(CommandQuarantined, match="a mistake of the validator"):
                await client.call(Order, "1", "ship", "unluckily")
            await client.call(Order, "1", "pay")
            assert await client.call(Order, "1", "ship") == "by train"
        await world.stop_all()
        assert types_of(world.store, ORDER).count("CommandReceived") == 2

    simulate(story, APP)


def test_a_stuck_instance_does_not_take_what_it_can_not_judge() -> None:
    """Its state is not known; other commands are kept as always."""

    async def story(world: World) -> None:
        world.node()
        async with world.client() as client:
            await client.start(Order, "1")
            with pytest.raises(InstanceStuck):
                await client.call(Order, "1", "pay", "unluckily")
            with pytest.raises(InstanceStuck, match="can't be judged and was not taken"):
                await client.call(Order, "1", "ship")
            with pytest.raises(InstanceStuck, match="is kept"):
                await client.call(Order, "1", "pay")
        await world.stop_all()
        assert types_of(world.store, ORDER).count("CommandReceived") == 2

    simulate(story, APP)
