"""Journals."""

from __future__ import annotations

from pathlib import Path

from tests.faults.evidence import Evidence
from tests.faults.gathering import find_secrets, take_entries
from tests.faults.journal import Journal, Saw, Tail, read_journal


def test_reads_what_was_written(tmp_path: Path) -> None:
    """Entries come back in order, with their notes."""
    journal = Journal(tmp_path / "a")
    journal.write(Saw.SENT, "c1", "Tally/1", "add")
    journal.write(Saw.READ, stream="Tally/1", note=[3, 4])
    journal.close()
    entries = read_journal(tmp_path / "a")
    assert [(entry.saw, entry.id, entry.stream, entry.note) for entry in entries] == [
        (Saw.SENT, "c1", "Tally/1", None),
        (Saw.READ, "", "Tally/1", [3, 4]),
    ]
    assert entries[0].at <= entries[1].at


def test_a_line_cut_short_waits(tmp_path: Path) -> None:
    """A tail gives a line when it is whole, once."""
    path = tmp_path / "a"
    Journal(path).write(Saw.SENT, "c1")
    whole = path.read_bytes()
    tail = Tail(path)
    path.write_bytes(whole[:-5])
    assert list(tail.new()) == []
    path.write_bytes(whole)
    assert [entry.id for entry in tail.new()] == ["c1"]
    assert list(tail.new()) == []


def test_what_clients_saw_becomes_evidence(tmp_path: Path) -> None:
    """A confirm or an answer makes a command accepted; without one it stays unknown; refusals are odd."""
    journal = Journal(tmp_path / "a")
    for id in ("answered", "confirmed", "unknown", "refused"):
        journal.write(Saw.SENT, id, "Tally/1", "add")
    journal.write(Saw.UNKNOWN, "answered", "Tally/1", "add")
    journal.write(Saw.ANSWERED, "answered", "Tally/1", "add")
    journal.write(Saw.ACCEPTED, "confirmed", "Tally/1", "add")
    journal.write(Saw.UNKNOWN, "unknown", "Tally/1", "add")
    journal.write(Saw.REFUSED, "refused", "Tally/1", "add", "Rejected: no")
    evidence = Evidence()
    take_entries(evidence, read_journal(tmp_path / "a"))
    assert {id: command.done for id, command in evidence.commands.items()} == {
        "answered": True,
        "confirmed": True,
        "unknown": False,
        "refused": False,
    }
    assert evidence.oddities == ["add refused of Tally/1: Rejected: no"]


def test_a_secret_in_a_log_is_found(tmp_path: Path) -> None:
    """With its file and line, and without showing it again."""
    log = tmp_path / "node-1.log"
    log.write_text("fine\nconnecting with hunter2\n")
    assert list(find_secrets([log], ["hunter2"])) == ["node-1.log line 2 shows a secret"]
