"""Programs made up by chance: what flows and desks of a plot do, out of the features that this plot has."""

from __future__ import annotations

from random import Random

from tests.simulation.deed import Deed, Kind

FEATURES: tuple[str, ...] = (
    "cancel", "terminate", "timeout", "children", "calls", "promises", "again", "later", "sagas", "desk", "batches",
    "restart", "deleted", "rolling", "paused", "stuck",
)  # fmt: skip
LONG = 400.0  # seconds: longer than any plot; only of what somebody stops
_PLAIN: tuple[Kind, ...] = ("note", "work", "work", "refuse", "sleep", "wait")
_NESTING: tuple[Kind, ...] = ("together", "race")
_OF_FEATURE: dict[str, tuple[Kind, ...]] = {
    "cancel": ("hold", "spite", "shield"),
    "children": ("child", "child", "child"),
    "calls": ("call", "tell", "poke"),
    "promises": ("promise", "promise"),
    "sagas": ("saga", "saga"),
    "batches": ("map", "mark"),
    "stuck": ("bug",),
}


class Programs:
    """See the module's docstring.

    Args:
        chance: where all of it comes from.
        features: what of `FEATURES` the plot has.
        flows: ids of flows that clients start.
        vaults: ids.
    """

    def __init__(self, chance: Random, features: list[str], flows: list[str], vaults: list[str]) -> None:
        self._chance, self._features, self._flows, self._vaults = chance, features, flows, vaults
        self._new = [kind for feature in features for kind in _OF_FEATURE.get(feature, ())]
        self._ids = self._held = 0

    def flow(self) -> list[Deed]:
        """Make up what a flow does that a client starts."""
        deeds = [self.deed() for _ in range(self._chance.randint(1, 4))]
        if "again" in self._features and self._chance.random() < 0.7:
            for _ in range(self._chance.randint(1, 2)):
                deeds.insert(self._chance.randint(0, len(deeds)), Deed("again"))
        return deeds

    def deed(self, depth: int = 0, *, raced: bool = False) -> Deed:
        """Make up one thing to do; at a depth it contains no more of what contains others.

        What is `raced` may be cut short while its run goes on: no shield then, which nobody would wait for.
        """
        chance = self._chance
        kinds: list[Kind] = [*_PLAIN, *(() if depth else _NESTING)]
        if self._new and chance.random() < 0.6:
            deep = {"hold", "spite", "shield", "child"} if depth > 1 else {"shield"} if raced else set()
            if self._held:
                deep = {*deep, "bug"}  # clean-up would be recorded, and the mended code go another way
            kinds = [kind for kind in self._new if kind not in deep] or kinds
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
                return Deed("race", seconds=chance.uniform(0.05, 1.0), deeds=[self.deed(1, raced=True)])
            case "together":
                return Deed("together", deeds=self._side_by_side())
            case _:
                return self._newer(do, depth, raced=raced)

    def _side_by_side(self) -> list[Deed]:
        deeds = [self.deed(1) for _ in range(self._chance.randint(2, 3))]
        if not any(_has(deed, "hold", "saga") for deed in deeds):
            return deeds
        return [deed for deed in deeds if not _has(deed, "bug")]  # beside it, clean-up would be recorded

    def _newer(self, do: Kind, depth: int, *, raced: bool) -> Deed:
        chance = self._chance
        match do:
            case "hold":
                self._held += 1
                inner = self.deed(depth + 1, raced=raced)
                self._held -= 1
                return Deed("hold", id=self._id(), fails=chance.choice([0, 0, 1]), deeds=[inner])
            case "spite" | "shield":
                return Deed(do, deeds=[self.deed(depth + 1, raced=raced)])
            case "child":
                return self._child(depth)
            case "call" | "tell":
                return Deed(do, id=chance.choice(self._vaults), count=chance.randint(-40, 60))
            case "poke":
                return Deed("poke", id=chance.choice(self._flows), count=self._next(), seconds=chance.choice([0, 0.2]))
            case "promise":
                return Deed("promise", id=chance.choice(["p", "q"]), seconds=chance.uniform(0.1, 4.0))
            case "saga":
                return self._saga()
            case "map":
                return Deed("map", count=chance.randint(1, 5), fails=chance.choice([0, 0, 1]))
            case "bug":
                return Deed("bug")
            case _:
                return Deed("mark", count=chance.randint(0, 9))

    def desk(self) -> list[Deed]:
        """Make up what a desk does for somebody."""
        kinds: list[Kind] = ["note", "work", "sleep", "tell", "call"]
        deeds = []
        for kind in self._chance.choices(kinds, k=self._chance.randint(0, 3)):
            vault = self._chance.choice(self._vaults)
            seconds = self._chance.choice([0.01, 0.3])
            deeds.append(Deed(kind, id=vault, count=self._chance.randint(-40, 60), seconds=seconds))
        return deeds

    def _child(self, depth: int) -> Deed:
        chance = self._chance
        how, on_close = (
            chance.choice(["await", "handle", "cancel", "leave"]),
            chance.choice(["cancel", "terminate", "abandon"]),
        )
        deeds = [self.deed(depth + 1) for _ in range(chance.randint(0, 2))]
        stopped = how in {"cancel", "leave"} and on_close != "abandon"
        if stopped and not any(_has(deed, "spite") for deed in deeds):
            deeds.append(Deed("sleep", seconds=LONG))  # who did not hear that he is to stop is found
        seconds = chance.choice([0, 0.01, 0.5])
        return Deed("child", id=self._id(), seconds=seconds, how=how, on_close=on_close, deeds=deeds)  # type: ignore[arg-type]  # chosen above

    def _saga(self) -> Deed:
        chance = self._chance
        amount = chance.randint(1, 80)
        source, target = chance.choice(self._vaults), chance.choice(self._vaults)
        pause = chance.choice([0, 0, 0.2])
        steps = [Deed("call", id=source, count=-amount, seconds=pause), Deed("call", id=target, count=amount)]
        broken = int("stuck" in self._features and chance.random() < 0.4)
        return Deed("saga", id=self._id(), fails=int(chance.random() < 0.3), count=broken, deeds=steps)

    def _next(self) -> int:
        self._ids += 1
        return self._ids

    def _id(self) -> str:
        return f"x{self._next()}"


def _has(deed: Deed, *kinds: Kind) -> bool:
    return deed.do in kinds or (deed.do != "child" and any(_has(each, *kinds) for each in deed.deeds))
