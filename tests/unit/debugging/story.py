"""What the fixtures' instances have lived through."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from msgspec import Raw

from actors import App
from actors.definition import ActorType, WorkflowType
from actors.entity import Entity
from actors.execution import Execution
from actors.history import PastEvent, write_history
from actors.journal import ErrorInfo
from actors.turn import Turn

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


class Keeper:
    """Collects the events of turns, as a store would."""

    def __init__(self) -> None:
        self.events: list[PastEvent] = []

    def keep(self, turn: Turn, at: float) -> None:
        for record in turn.events:
            self.events.append(
                PastEvent(
                    version=len(self.events) + 1,
                    type=record.type,
                    data=record.data,
                    recorded_at=datetime.fromtimestamp(at, UTC),
                    offset=len(self.events) + 1,
                    epoch=1,
                    causation_id=f"cause-{len(self.events) + 1}",
                    correlation_id="flow-7",
                )
            )

    def write(self, path: Path, stream: str, status: str) -> str:
        path.write_bytes(b"".join(write_history(stream, self.events, status=status)))
        return path.name


def order_story(app: App, path: Path, *, end: bool = True) -> str:
    """Thirteen events; eleven when it still waits to be shipped."""
    kind = app.type("Order")
    assert isinstance(kind, WorkflowType)
    keeper = Keeper()
    order = Execution(kind, "Order/1")
    keeper.keep(order.start(Raw(b'{"customer":"ada","cents":4200}'), "start-1", NOON), NOON)
    keeper.keep(order.task_completed(1, Raw(b"1.5"), NOON + 1, local="rate"), NOON + 1)
    failed = ErrorInfo("Timeout", "no answer")
    keeper.keep(order.task_attempt_failed(3, 1, failed, NOON + 12, NOON + 2), NOON + 2)
    keeper.keep(order.task_completed(2, Raw(b'"receipt 8"'), NOON + 3), NOON + 3)
    keeper.keep(order.task_completed(3, Raw(b"null"), NOON + 14), NOON + 14)
    keeper.keep(order.command("c-1", "ship", Raw(b'{"tracking":"T-7"}'), NOON + DAY), NOON + DAY)
    if end:
        keeper.keep(order.task_completed(5, Raw(b"null"), NOON + DAY + 1), NOON + DAY + 1)
    order.dispose()
    return keeper.write(path, "Order/1", "completed" if end else "running")


def stock_story(app: App, path: Path) -> str:
    """Added 10, taken 3, added 5."""
    kind = app.type("Stock")
    assert isinstance(kind, ActorType)
    keeper = Keeper()
    stock = Entity(kind, "Stock/tea")
    for number, (command, units) in enumerate([("add", 10), ("take", 3), ("add", 5)]):
        turn = stock.command(f"c-{number}", command, Raw(b'{"units":%d}' % units))
        keeper.keep(turn, NOON + number)
    return keeper.write(path, "Stock/tea", "active")
