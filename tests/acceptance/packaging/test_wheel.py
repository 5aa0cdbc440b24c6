"""The wheel holds what it must, nothing else, and works with no checkout around it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {"actors", "eventstore", "runtime"}


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel and, by a link, this one's dependencies without the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(
        *(sys.executable, "-m", "pip", "--python", python, "--quiet", "--disable-pip-version-check"),
        *("install", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def tracked(*patterns: str) -> set[str]:
    """Files of our packages on disk that match; build leftovers aside."""
    return {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for pattern in patterns
        for file in (ROOT / package).rglob(pattern)
        if "__pycache__" not in file.parts
    }


def test_top_level_is_exactly_the_three_packages(contents: set[str]) -> None:
    """Nothing else may land in a user's site-packages, but for pytest's plugin, which must import none of them."""
    top = {name.split("/")[0] for name in contents}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES | {"pytest_perdure.py"}


def test_pytest_finds_the_plugin(installed: Path, tmp_path: Path) -> None:
    """By its entry point, from the wheel's own files."""
    said = run(installed / "bin" / "python", "-m", "pytest", "--version", "--version", cwd=tmp_path, PYTHONPATH="")
    (line,) = [line for line in said.splitlines() if "pytest_perdure" in line]
    assert str(installed) in line


def test_code_sql_and_data_are_inside(contents: set[str]) -> None:
    """Every module, SQL file, data file, notice and type marker."""
    wanted = tracked("*.py", "*.sql", "*.jsonl", "NOTICE.md", "py.typed")
    assert wanted - contents == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= contents
    assert any(name.endswith(".sql") for name in contents)
    assert {"runtime/demo/data/orders.jsonl", "runtime/demo/data/products.jsonl"} <= contents


def test_licences_are_inside(contents: set[str]) -> None:
    """Ours, and the notice of the demo's data."""
    licences = {name.partition(".dist-info/licenses/")[2] for name in contents if "/licenses/" in name}
    assert licences == {"LICENSE", "runtime/demo/data/NOTICE.md"}


def test_the_command_works_without_a_checkout(installed: Path, tmp_path: Path) -> None:
    """`perdure --help` from the wheel's own files."""
    assert "demo" in run(installed / "bin" / "perdure", "--help", cwd=tmp_path, PYTHONPATH="")
    code = "import actors, eventstore, runtime, json; print(json.dumps([m.__file__ for m in (actors, eventstore, runtime)]))"
    files = json.loads(run(installed / "bin" / "python", "-c", code, cwd=tmp_path, PYTHONPATH=""))
    assert all(Path(file).is_relative_to(installed) for file in files)
