"""The example of a saga: when the charge is refused, what was booked is cancelled, the last booking first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from actors import Failure, Rejected
from actors.testing import WorkflowTest
from tests.acceptance.docs.pages import ROOT, python_file


def test_saga() -> None:
    """As the page says."""
    defined: dict[str, Any] = {"__name__": "trip"}
    exec(compile(python_file(ROOT / "actors" / "sagas.md", "trip.py"), "trip.py", "exec", dont_inherit=True), defined)
    trip = SimpleNamespace(**defined)
    run = WorkflowTest(
        trip.app,
        tasks={
            trip.book: lambda what: f"{what} is booked",
            trip.cancel_booking: None,
            trip.charge: Rejected("no money"),
        },
    )
    with pytest.raises(Failure, match="no money"):
        run.start(trip.Trip, "1").result()
    assert [call.args["booking"] for call in run.calls(trip.cancel_booking)] == ["flight is booked", "hotel is booked"]
