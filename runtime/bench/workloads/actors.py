from __future__ import annotations

from runtime.bench.jobs import Closed, Operation, Request
from runtime.bench.workload import Bench, Workload

_LANES = 200


async def _run(bench: Bench) -> None:
    sizes = bench.sizes
    async with bench.stage() as stage:
        await stage.run(_job("hot-", 1, seconds=sizes.warm_up))
        bench.begin("one hot actor")
        bench.found(await stage.measure(bench.doing, "command", _job("hot-", 1, seconds=sizes.seconds)))
        bench.begin(f"{sizes.actors:,} actors, first command")
        bench.found(await stage.measure(bench.doing, "command", _job("many-", sizes.actors, count=sizes.actors)))
        bench.begin(f"{sizes.actors:,} actors")
        bench.found(await stage.measure(bench.doing, "command", _job("many-", sizes.actors, seconds=sizes.seconds)))


def _job(prefix: str, actors: int, *, seconds: float | None = None, count: int | None = None) -> Closed:
    request = Request(operation=Operation.CALL, type="Counter", prefix=prefix, name="add", arguments=[1], keys=actors)
    return Closed(request=request, lanes=_LANES, seconds=seconds, count=count)


W5 = Workload(
    "w5",
    f"Actor commands, {_LANES} at a time",
    _run,
    "An actor's first command includes its loading. The others come round-robin.",
)
