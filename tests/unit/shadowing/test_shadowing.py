"""A user's module with the name of one of our packages is refused with an error that says so."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.shadowing import PACKAGES, ShadowedPackage, check_own_packages, refuse_shadowing

ROOT = Path(__file__).resolve().parents[3]


def test_own_packages_are_accepted() -> None:
    """A checkout shadows nothing, also when it is the user's folder."""
    check_own_packages()
    refuse_shadowing(ROOT)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_of_that_name_is_refused(package: str, tmp_path: Path) -> None:
    """The error names the file and a new name for it."""
    file = tmp_path / f"{package}.py"
    file.touch()
    with pytest.raises(ShadowedPackage) as caught:
        refuse_shadowing(tmp_path)
    assert caught.value.package == package
    assert caught.value.file == file
    assert str(file) in str(caught.value)
    assert f"my_{package}.py" in str(caught.value)


def test_a_package_of_that_name_is_refused(tmp_path: Path) -> None:
    """The folder is what has to be renamed, not its `__init__.py`."""
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "__init__.py").touch()
    with pytest.raises(ShadowedPackage, match=r"actors has the name .* to my_actors$"):
        refuse_shadowing(tmp_path)


def test_a_plain_folder_of_that_name_is_accepted(tmp_path: Path) -> None:
    """A folder without `__init__.py` never wins over an installed package."""
    (tmp_path / "actors").mkdir()
    refuse_shadowing(tmp_path)


def test_a_shadow_that_is_already_on_the_path_is_found(tmp_path: Path) -> None:
    """`check_own_packages` sees what an import would give."""
    (tmp_path / "eventstore.py").touch()
    code = (
        "import importlib.util, sys; "
        f"spec = importlib.util.spec_from_file_location('shadowing', {str(ROOT / 'runtime' / 'shadowing.py')!r}); "
        "module = importlib.util.module_from_spec(spec); spec.loader.exec_module(module); "
        f"sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]; module.check_own_packages()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'eventstore.py'} has the name of Perdure's own package `eventstore`" in done.stderr
