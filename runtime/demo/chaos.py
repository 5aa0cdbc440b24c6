"""When which sort of process is killed: a plan, made from a seed."""

from __future__ import annotations

from enum import StrEnum
from random import Random

from msgspec import Struct


class Role(StrEnum):
    """What a process is for."""

    NODE = "node"
    WORKER = "worker"


class Kill(Struct, frozen=True):
    """A process of this role dies when so many orders have ended, and `delay` seconds later."""

    after: int
    delay: float
    role: Role
    pick: float  # which one of the role's processes: a number in [0, 1)


def plan_kills(seed: int, orders: int, kills: int = 8) -> list[Kill]:
    """Spread kills over the work.

    The orders are cut into as many stretches as there are kills, and each stretch has its kill at a random moment, so
    none comes after the work is done. Half of the victims are nodes, half are workers, in random order.
    """
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    roles = [Role.NODE, Role.WORKER] * ((kills + 1) // 2)
    random.shuffle(roles)
    stretch = orders * 0.9 / kills  # the last tenth is left alone: a kill needs work to disturb
    return [
        Kill(int(stretch * (number + random.random())), random.uniform(0, 0.2), role, random.random())
        for number, role in enumerate(roles[:kills])
    ]
