"""The plot of a seed: how large the installation is, what its clients want, and what goes wrong; all of it chosen by chance."""

from __future__ import annotations

from random import Random

from msgspec import Struct

from tests.simulation.app import Deed
from tests.simulation.weather import Fault

CALLS: tuple[Fault, ...] = tuple(
    fault for fault in Fault if fault.name.startswith(("COMMIT", "READ", "LEASE_", "PUBLISH", "CONFIRM"))
)
MESSAGES: tuple[Fault, ...] = (
    Fault.REPLY_LOST,
    Fault.ACK_LOST,
    Fault.MESSAGE_DOUBLED,
    Fault.MESSAGE_OVERTAKEN,
    Fault.CALLER_GAVE_UP,
)
EVENTS: tuple[Fault, ...] = tuple(
    fault for fault in Fault if fault not in {*CALLS, *MESSAGES} or fault is Fault.LEASE_STOLEN
)
RATED: tuple[Fault, ...] = tuple(fault for fault in (*CALLS, *MESSAGES) if fault is not Fault.LEASE_STOLEN)
MOST_EVENTS = 4  # a message that meets more ends of its owner may be put aside as poison, which is no fault


class Wish(Struct):
    """Something that a client wants done."""

    at: float  # seconds after the beginning
    client: int
    kind: str  # start, transfer, poke, move, told
    id: str  # of the actor
    command_id: str
    amount: int = 0
    target: str = ""
    seconds: float = 0.0
    deeds: list[Deed] = []
    quiet: bool = False  # nobody asks for the result of what was started before it has ended
    twice: bool = False  # another client wants the same, with the same command id


class Plot(Struct):
    """See the module's docstring."""

    seed: int
    partitions: int
    nodes: int
    workers: int
    clients: int
    settings: dict[str, float | int]
    seconds: float  # of chaos
    opening: dict[str, int]  # accounts, with what they begin with
    wishes: list[Wish]
    rates: dict[Fault, float]
    events: list[tuple[float, Fault]]  # seconds after the beginning

    @property
    def calm(self) -> bool:
        """Whether nothing goes wrong at all."""
        return not self.rates and not self.events


def plot(seed: int) -> Plot:
    """Make up the plot of a seed."""
    chance = Random(seed)
    seconds = chance.uniform(1.0, 6.0)
    clients = chance.randint(1, 2)
    accounts = [f"a{number}" for number in range(chance.randint(1, 3))]
    flows = [f"f{number}" for number in range(chance.randint(0, 3))]
    opening = {account: chance.choice([0, 50, 100]) for account in accounts}
    wishes = [_start(chance, flow, seconds, clients) for flow in flows]
    wishes += [_order(chance, f"c{n}", accounts, flows, seconds, clients) for n in range(chance.randint(1, 8))]
    if len(accounts) > 1:
        wishes += [_transfer(chance, f"t{n}", accounts, seconds, clients) for n in range(chance.randint(0, 2))]
    for wish in wishes:
        if wish.kind == "start":  # what it waits for in the end must come
            pokes = sum(each.kind == "poke" and each.id == wish.id for each in wishes)
            wish.deeds.append(Deed("wait", count=pokes))
    rates, events = _faults(chance, seconds)
    settings: dict[str, float | int] = {
        "lease_ttl": chance.choice([0.8, 1.5]),
        "sweep_after": 4.0,
        "idle": chance.choice([0.3, 2.0]),
        "prefetch": chance.choice([1, 3, 100]),
        "activations": chance.choice([1, 2, 100]),
        "task_concurrency": chance.choice([1, 4]),
        "shutdown_grace": 2.0,
    }
    return Plot(
        seed=seed,
        partitions=chance.randint(1, 3),
        nodes=chance.randint(1, 3),
        workers=chance.randint(1, 2),
        clients=clients,
        settings=settings,
        seconds=seconds,
        opening=opening,
        wishes=wishes,
        rates=rates,
        events=events,
    )


def _faults(chance: Random, seconds: float) -> tuple[dict[Fault, float], list[tuple[float, Fault]]]:
    """Choose a few classes of faults: what goes wrong together by chance is found in one seed, what hides it in another."""
    weather = chance.random()
    if weather < 0.04:
        return {}, []
    rates = {fault: chance.choice([0.02, 0.1, 0.3]) for fault in chance.sample(RATED, chance.choice([0, 1, 2, 4, 8]))}
    kinds = chance.sample(EVENTS, chance.randint(1, 4))
    events: list[tuple[float, Fault]] = [
        (chance.uniform(0, seconds), chance.choice(kinds)) for _ in range(chance.randint(0, MOST_EVENTS))
    ]
    return rates, sorted(events)


def _start(chance: Random, id: str, seconds: float, clients: int) -> Wish:
    deeds = [_deed(chance) for _ in range(chance.randint(1, 4))]
    at = chance.uniform(0, seconds * 0.7)
    twice, quiet = chance.random() < 0.2, chance.random() < 0.5
    return Wish(at, chance.randrange(clients), "start", id, f"start {id}", deeds=deeds, twice=twice, quiet=quiet)


def _deed(chance: Random, depth: int = 0) -> Deed:
    kinds = ["note", "work", "work", "refuse", "sleep", "wait"] + ([] if depth else ["together", "race"])
    do = chance.choice(kinds)
    match do:
        case "note":
            return Deed("note", fails=chance.choice([0, 0, 1]), seconds=chance.choice([0, 0.01, 0.4]))
        case "work":
            return Deed("work", fails=chance.choice([0, 0, 1, 2]), seconds=chance.choice([0, 0.01, 0.5]))
        case "refuse":
            return Deed("refuse")
        case "sleep":
            return Deed("sleep", seconds=chance.choice([0.01, 0.2, 1.5]))
        case "wait":
            return Deed("wait", count=chance.randint(0, 2), seconds=chance.uniform(0.1, 3.0))
        case "race":
            return Deed("race", seconds=chance.uniform(0.05, 1.0), deeds=[_deed(chance, 1)])
        case _:
            return Deed("together", deeds=[_deed(chance, 1) for _ in range(chance.randint(2, 3))])


def _order(
    chance: Random, command_id: str, accounts: list[str], flows: list[str], seconds: float, clients: int
) -> Wish:
    at, client = chance.uniform(0, seconds), chance.randrange(clients)
    twice = chance.random() < 0.25
    if flows and chance.random() < 0.4:
        wait = chance.choice([0, 0, 0.3])
        return Wish(at, client, "poke", chance.choice(flows), command_id, seconds=wait, twice=twice)
    kind = chance.choice(["move", "move", "told"])
    return Wish(at, client, kind, chance.choice(accounts), command_id, amount=chance.randint(-40, 60), twice=twice)


def _transfer(chance: Random, id: str, accounts: list[str], seconds: float, clients: int) -> Wish:
    source, target = chance.sample(accounts, 2)
    at = chance.uniform(0, seconds)
    amount = chance.randint(1, 80)
    return Wish(
        at, chance.randrange(clients), "transfer", id, f"start {id}", amount=amount, target=f"{source} {target}"
    )
