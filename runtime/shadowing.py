from __future__ import annotations

import importlib
import importlib.util
from importlib.machinery import PathFinder
from pathlib import Path

PACKAGES = ("actors", "eventstore", "runtime")
_OURS = Path(__file__).resolve().parents[1]


class ShadowedPackage(ImportError):
    """A module that is not Perdure's has the name of one of its packages, and would be imported instead.

    `package` is the name, `file` what takes it.
    """

    def __init__(self, package: str, file: Path) -> None:
        what = file.parent if file.name.startswith("__init__.") else file
        renamed = what.with_name(f"my_{what.name}").name
        super().__init__(
            f"{what} has the name of Perdure's own package `{package}`, so Python can't tell them apart; "
            f"rename yours, for example to {renamed}",
            name=package,
            path=str(file),
        )
        self.package, self.file = package, file


def check_own_packages() -> None:
    """Check that Perdure's three packages are found side by side, as they were installed.

    Imports none of them.

    Raises:
        ShadowedPackage: an import would give a module of that name from somewhere else.
    """
    for package in PACKAGES:
        spec = importlib.util.find_spec(package)
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is not None and not _is_ours(package, origin):
            raise ShadowedPackage(package, origin)


def refuse_shadowing(folder: Path) -> None:
    """Check a folder of a user's modules before it goes on `sys.path`.

    A plain sub-folder without `__init__.py` does no harm: Python prefers real packages.

    Raises:
        ShadowedPackage: the folder holds a module or package named like one of Perdure's.
    """
    importlib.invalidate_caches()
    for package in PACKAGES:
        spec = PathFinder.find_spec(package, [str(folder)])
        origin = Path(spec.origin) if spec and spec.origin else None
        if origin is not None and not _is_ours(package, origin):
            raise ShadowedPackage(package, origin)


def _is_ours(package: str, origin: Path) -> bool:
    return origin.resolve() == _OURS / package / "__init__.py"
