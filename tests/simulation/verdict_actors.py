"""What must be true of vaults, their book, and the desk: each command once, alone, and in order."""

from __future__ import annotations

from tests.simulation.clients import Clients, Told
from tests.simulation.journals import Journals, found


def check_actors(clients: Clients, journals: Journals, *, excused: bool) -> None:
    """Check all of it.

    Args:
        clients: what they were told.
        journals: of all streams.
        excused: messages were put aside as poison.
    """
    for told in clients.told:
        if told.wish.kind == "put":
            _put(told, journals)
        elif told.wish.kind in {"serve", "pass by"}:
            _served(told, journals)
    _vaults(journals, excused=excused)
    _desk(journals)


def _put(told: Told, journals: Journals) -> None:
    wish = told.wish
    puts = found(journals.entries.get(f"Vault/{wish.id}", []), "Put")
    own = [place for place, put in enumerate(puts, 1) if put.cause == wish.command_id]
    what = f"{wish.command_id} (put {wish.amount} into {wish.id}), told {told.answer} {told.refused}"
    assert len(own) == (0 if told.refused else 1), f"{what}: done {len(own)} times"
    if own:
        done = [own[0], sum(put.data["amount"] for put in puts[: own[0]])]
        assert told.answer == done, f"{what}: done as {done}"


def _vaults(journals: Journals, *, excused: bool) -> None:
    """A vault's commands are done once, and the book has what each told it, once and in order."""
    lines = found(journals.entries.get("Book/b", []), "Noted")
    for name, entries in journals.of("Vault").items():
        puts = found(entries, "Put")
        causes = [put.cause for put in puts]
        assert len(set(causes)) == len(causes), f"{name}: a command was applied twice: {causes}"
        noted = [line.data["number"] for line in lines if f"Vault/{line.data['who']}" == name]
        assert noted == list(range(1, len(puts) + 1)) or excused, f"{name} told the book of {len(puts)}: {noted}"


def _desk(journals: Journals) -> None:
    """Nobody is served beside somebody else."""
    lines = [e for e in journals.entries.get("Desk/d", []) if e.type in {"Opened", "Closed"}]
    for opened, closed in zip(lines[::2], lines[1::2], strict=True):
        assert (opened.type, closed.type) == ("Opened", "Closed"), f"the desk: {opened}, {closed}"
        assert opened.data == closed.data, f"the desk: {opened}, {closed}"
    served = [line.data["who"] for line in lines[::2]]
    assert len(set(served)) == len(served), f"the desk served somebody twice: {served}"


def _served(told: Told, journals: Journals) -> None:
    wish = told.wish
    closed = [entry.data["who"] for entry in found(journals.entries.get("Desk/d", []), "Closed")]
    what = f"{wish.command_id} ({wish.kind}), told {told.answer} {told.refused}"
    if told.refused == "Rejected":
        assert wish.flag, what
        assert wish.command_id in closed, f"{what}: {closed}"
    elif not told.refused:
        assert closed[told.answer - 1] == wish.command_id, f"{what}: {closed}"
