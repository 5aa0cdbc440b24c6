"""A server's folder: one owner, secrets for its owner only, temporary ones go away."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from runtime.servers import ServerError, ServerInUse, running_url
from runtime.servers.folder import ServerFolder, ServerRecord


def test_a_second_owner_is_refused(tmp_path: Path) -> None:
    """The lock names the folder and what to do."""
    first, second = ServerFolder(tmp_path, "postgres"), ServerFolder(tmp_path, "postgres")
    first.lock()
    with pytest.raises(ServerInUse, match=str(tmp_path)):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def test_the_password_is_for_the_owner_only(tmp_path: Path) -> None:
    """Nobody else may read the settings."""
    folder = ServerFolder(tmp_path, "postgres")
    folder.save(ServerRecord(password="secret", port=5432))
    assert stat.S_IMODE((tmp_path / "server.json").stat().st_mode) == 0o600
    assert folder.load() == ServerRecord(password="secret", port=5432)


def test_damaged_settings_are_an_error(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "server.json").write_text("{")
    with pytest.raises(ServerError, match=r"server\.json is damaged"):
        ServerFolder(tmp_path, "postgres").load()


def test_a_temporary_folder_is_removed_and_a_given_one_is_kept(tmp_path: Path) -> None:
    """`remove` deletes only what the folder made itself."""
    temporary, given = ServerFolder(None, "postgres"), ServerFolder(tmp_path / "kept", "postgres")
    temporary.remove()
    temporary.remove()
    given.remove()
    assert not temporary.path.exists()
    assert given.path.exists()


def test_removing_follows_the_link_to_data_elsewhere(tmp_path: Path) -> None:
    """Data that had to live in another place goes away with its temporary folder."""
    folder = ServerFolder(None, "postgres")
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (folder.path / "data").symlink_to(home / "data")
    folder.remove()
    assert not home.exists()


def test_the_address_of_a_dead_server_is_not_given(tmp_path: Path) -> None:
    """What a crash left in the folder is not taken for a server that runs."""
    assert running_url(tmp_path) is None
    ServerFolder(tmp_path, "postgres").save(ServerRecord(password="secret", url="postgresql://x", pid=2**22 + 1))
    assert running_url(tmp_path) is None
