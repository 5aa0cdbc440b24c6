"""The plot of a seed: how large the installation is, what its clients want, and what goes wrong; all of it chosen by chance."""

from __future__ import annotations

from random import Random

from msgspec import Struct

from tests.simulation.deed import Deed
from tests.simulation.programs import FEATURES, Programs
from tests.simulation.weather import Fault
from tests.simulation.wish import Wish, Wishes

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
NEEDS_VAULTS = frozenset({"calls", "later", "sagas", "desk"})
MOST_EVENTS = 4  # a message that meets more ends of its owner may be put aside as poison, which is no fault


class Plot(Struct):
    """See the module's docstring."""

    seed: int
    features: list[str]  # of `FEATURES`
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
    features = chance.sample(FEATURES, chance.choice([0, 1, 2, 3, 4]))
    flows = [f"f{number}" for number in range(chance.randint(1 if features else 0, 3))]
    vaults = [f"v{number}" for number in range(2)] if NEEDS_VAULTS.intersection(features) else []
    opening = {account: chance.choice([0, 50, 100]) for account in accounts}
    programs = Programs(chance, features, flows, vaults)
    wishes = [_start(chance, flow, seconds, clients, programs, features) for flow in flows]
    wishes += Wishes(chance, seconds, clients).of(features, flows, vaults, programs)
    wishes += [
        _order(chance, f"c{n}", accounts, flows, seconds, clients)
        for n in range(chance.randint(1, 5 if features else 8))
    ]
    if len(accounts) > 1:
        wishes += [_transfer(chance, f"t{n}", accounts, seconds, clients) for n in range(chance.randint(0, 2))]
    for wish in wishes:
        if wish.kind == "start":  # what it waits for in the end must come
            wish.deeds.append(_last(wish, wishes))
            hows = [how for how in ("restart", "deleted") if how in features]
            if hows and not wish.twice:
                wish.again = [*programs.flow(), Deed("sleep", seconds=0.2)]
                wish.flag = chance.choice(hows) == "deleted"
    rates, events = _faults(chance, seconds)
    if "rolling" in features:  # which is what a deployment does
        deployed = [(chance.uniform(0, seconds), Fault.NODE_ENDED) for _ in range(chance.randint(1, 2))]
        events = sorted([*events, *deployed])
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
        features=features,
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


def _last(start: Wish, wishes: list[Wish]) -> Deed:
    """What comes last is to wait for all pokes; those of a former run do not count, so it can't wait for ever then."""
    pokes = sum(wish.id == start.id and "poke" in {wish.kind, wish.target} for wish in wishes)
    return Deed("wait", count=pokes, seconds=1.0 if any(deed.do == "again" for deed in start.deeds) else 0.0)


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


def _start(chance: Random, id: str, seconds: float, clients: int, programs: Programs, features: list[str]) -> Wish:
    deeds = programs.flow()
    at = chance.uniform(0, seconds * 0.7)
    twice, quiet = chance.random() < 0.2, chance.random() < 0.5
    wish = Wish(at, chance.randrange(clients), "start", id, f"start {id}", deeds=deeds, twice=twice, quiet=quiet)
    if "timeout" in features and chance.random() < 0.6:
        wish.seconds = chance.uniform(0.3, 5.0)
    return wish


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
