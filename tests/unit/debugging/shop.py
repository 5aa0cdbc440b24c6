import asyncio

from msgspec import Struct

from actors import Actor, App, Failure, Workflow, command, event, task


@task
async def charge(customer: str, cents: int) -> str:
    return "real"


@task
async def write_to(customer: str, text: str) -> None: ...


@task(local=True)
async def rate(cents: int) -> float:
    return 1.0


class NeverShipped(Failure):
    pass


class Order(Workflow):
    def __init__(self) -> None:
        self.tracking: str | None = None
        self.paid: dict[str, object] = {}

    async def run(self, customer: str, cents: int) -> str:
        factor = await rate(cents)
        payment, _ = await asyncio.gather(self.pay(customer, int(cents * factor)), write_to(customer, "thank you"))
        try:
            await self.until(lambda: self.tracking, timeout=30 * 86_400)
        except TimeoutError:
            raise NeverShipped("too late") from None
        text = f"shipped as {self.tracking}"
        await write_to(customer, text)
        return str(payment)

    async def pay(self, customer: str, total: int) -> str:
        receipt = await charge(customer, total)
        self.paid = {"by": customer, "cents": total}
        return receipt

    @command
    def ship(self, tracking: str) -> None:
        self.tracking = tracking


class Added(Struct):
    units: int


class Taken(Struct):
    units: int


class Shelf(Struct):
    units: int = 0


class Stock(Actor):
    state: Shelf

    @command
    def add(self, units: int) -> None:
        self.emit(Added(units))

    @command
    def take(self, units: int) -> None:
        self.emit(Taken(units))

    @event
    def added(self, added: Added) -> None:
        self.state.units += added.units

    @event
    def taken(self, taken: Taken) -> None:
        left = self.state.units - taken.units
        self.state.units = left


app = App(actors=[Order, Stock], tasks=[charge, write_to, rate])
