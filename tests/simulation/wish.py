"""What clients of a plot want, and how it is made up by chance."""

from __future__ import annotations

from random import Random

from msgspec import Struct

from tests.simulation.deed import Deed
from tests.simulation.programs import Programs


class Wish(Struct):
    """Something that a client wants done."""

    at: float  # seconds after the beginning
    client: int
    kind: str  # one of `clients.ACTS`, or start, transfer
    id: str  # of the actor
    command_id: str
    amount: int = 0
    target: str = ""  # of a transfer: both accounts; a promise's name; for a delayed command: put or poke
    seconds: float = 0.0  # a handler's; of a start: its timeout; until a delayed command
    deeds: list[Deed] = []
    again: list[Deed] = []  # of a start: what it does when it has ended and is started once more; none: it is not
    flag: bool = False  # terminate the tree, reject the promise, be refused; of a start: it is deleted before it is started once more
    quiet: bool = False  # nobody asks for the result of what was started before it has ended
    twice: bool = False  # another client wants the same, with the same command id


class Wishes:
    """Makes up the wishes of a plot that has certain features.

    Args:
        chance: where all of it comes from.
        seconds: of chaos.
        clients: how many there are.
    """

    def __init__(self, chance: Random, seconds: float, clients: int) -> None:
        self._chance, self._seconds, self._clients = chance, seconds, clients
        self._ids = 0

    def of(  # noqa: C901 - one case a feature
        self, features: list[str], flows: list[str], vaults: list[str], programs: Programs
    ) -> list[Wish]:
        """Make up all of them but the starts."""
        chance = self._chance
        wishes = [self._wish("put", vault, amount=chance.choice([0, 100])) for vault in vaults]
        for feature in features:
            match feature:
                case "cancel":
                    wishes += [self._wish("cancel", flow) for flow in flows if chance.random() < 0.6]
                case "paused":
                    wishes += [self._wish("pause", flow, seconds=chance.choice([0.01, 0.5, 3.0])) for flow in flows]
                case "terminate":
                    for flow in flows:
                        if chance.random() < 0.4:
                            wishes.append(self._wish("terminate", flow, flag=chance.random() < 0.5))
                case "promises":
                    wishes += [self._resolve(flow) for flow in flows for _ in range(chance.randint(1, 3))]
                case "again":
                    wishes += [self._wish("listen", flow) for flow in flows if chance.random() < 0.7]
                case "later":
                    wishes += [self._later(flows, vaults) for _ in range(chance.randint(1, 4))]
                case "calls" | "sagas":
                    wishes.append(self._wish("put", chance.choice(vaults), amount=chance.randint(-40, 60)))
                case "desk":
                    wishes += [self._serve(programs) for _ in range(chance.randint(1, 4))]
                case _:
                    pass
        return wishes

    def _wish(self, kind: str, id: str, **fields: object) -> Wish:
        self._ids += 1
        at, client = self._chance.uniform(0, self._seconds), self._chance.randrange(self._clients)
        twice = self._chance.random() < 0.25
        return Wish(at, client, kind, id, f"w{self._ids}", twice=twice, **fields)  # type: ignore[arg-type]  # its fields

    def _resolve(self, flow: str) -> Wish:
        chance = self._chance
        rejected = chance.random() < 0.3
        return self._wish("resolve", flow, target=chance.choice(["p", "q"]), amount=self._ids, flag=rejected)

    def _later(self, flows: list[str], vaults: list[str]) -> Wish:
        chance = self._chance
        seconds = chance.choice([0.0, chance.uniform(0.05, 6.0)])
        if flows and chance.random() < 0.4:
            return self._wish("later", chance.choice(flows), target="poke", seconds=seconds)
        amount = chance.randint(-40, 60)
        return self._wish("later", chance.choice(vaults), target="put", amount=amount, seconds=seconds)

    def _serve(self, programs: Programs) -> Wish:
        if self._chance.random() < 0.3:
            return self._wish("pass by", "d")
        return self._wish("serve", "d", deeds=programs.desk(), flag=self._chance.random() < 0.2)
