"""What a program reads, and what a person reads."""

from __future__ import annotations

import builtins
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from runtime.bench.display import print_machine, print_table, summary
from runtime.bench.figures import Latency, Measurement
from runtime.bench.machine import describe_machine
from runtime.bench.plot import NoPlots, draw
from runtime.bench.report import as_object, write_json
from runtime.bench.workloads import WORKLOADS

W1 = WORKLOADS["w1"]


def measurement() -> Measurement:
    return Measurement(
        engine="rabbitmq",
        name="concurrency 50",
        unit="workflow",
        count=600,
        seconds=2.0,
        per_second=300.0,
        latency_ms=Latency(1.5, 2.5, 3.5, 4.5),
        cpu_us={"node": 257.0, "Postgres": 90.5},
        figures={"steps/s": 1500.0},
    )


def test_every_workload_has_its_key() -> None:
    """The issue's w1 to w9, in order."""
    assert list(WORKLOADS) == [f"w{number}" for number in range(1, 10)]


def test_json(tmp_path: Path) -> None:
    """One object, keyed by workload, with the machine."""
    report = as_object([W1], {"w1": [measurement()]}, describe_machine())
    read = json.loads(write_json(tmp_path / "new", report).read_bytes())
    assert read == json.loads(json.dumps(report))
    (measured,) = read["w1"]["measurements"]
    assert (measured["per_second"], measured["latency_ms"]["p99"]) == (300.0, 3.5)
    assert "foreign_cores" not in measured
    assert read["machine"]["cores"] >= 1


def test_table() -> None:
    """Figures with their units, a column for each role that used CPU and no others."""
    console = Console(width=250, file=io.StringIO())
    with console.capture() as captured:
        print_table(console, W1, [measurement()])
        print_machine(console, describe_machine())
    text = captured.get()
    for expected in (
        "600 workflows",
        "p99 ms",
        "3.5",
        "node CPU µs",
        "257.0",
        "Postgres CPU µs",
        "steps/s 1,500",
        "GiB",
    ):
        assert expected in text
    assert "RabbitMQ CPU" not in text


def test_summary() -> None:
    """One line while it runs."""
    assert summary(measurement()) == (
        "rabbitmq: concurrency 50 · 300 workflows/s · p50 1.5 ms, p99 3.5 ms · steps/s 1,500"
    )


def test_without_the_library_that_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NoPlots, match=r"perdure\[bench\]"):
        draw(tmp_path, [W1], {"w1": [measurement()]})
