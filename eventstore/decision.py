"""Which commits of a batch are refused, and why: a pure decision over what the log holds now.

Reasons are looked for in this order, and the first one is the answer: the writer is fenced (`StaleEpoch`); an
earlier commit of the stream was refused, or forgot it (`WrongExpectedVersion`); the command was handled before
(`DuplicateCommand`); the stream is at another version (`WrongExpectedVersion`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from eventstore.errors import CommitRefused, DuplicateCommand, StaleEpoch, WrongExpectedVersion
from eventstore.records import Commit


def decide(
    batch: Sequence[Commit],
    *,
    epochs: Mapping[int, int],
    versions: Mapping[str, int],
    handled: Set[tuple[str, str]],
) -> list[CommitRefused | None]:
    """Answer each commit of a batch, None for those that may be written.

    Args:
        batch: commits, those of one stream in order.
        epochs: the current epoch of every partition in the batch.
        versions: the newest version of the batch's streams; a missing one does not exist yet.
        handled: those (stream, command id) of the batch that have a mark.
    """
    heads = dict(versions)
    marks = set(handled)
    broken: set[str] = set()
    answers: list[CommitRefused | None] = []
    for commit in batch:
        refusal = _refusal(commit, epochs[commit.partition], heads.get(commit.stream, 0), marks, broken)
        answers.append(refusal)
        if commit.stream == "":
            continue
        if refusal is not None:
            broken.add(commit.stream)
            continue
        heads[commit.stream] = commit.expected_version + len(commit.events)
        if commit.forget:  # what comes after it has to look again
            heads[commit.stream] = len(commit.events)
            broken.add(commit.stream)
        marks.update((commit.stream, mark.command_id) for mark in commit.inbox)
    return answers


def _refusal(
    commit: Commit, epoch: int, version: int, marks: Set[tuple[str, str]], broken: Set[str]
) -> CommitRefused | None:
    if commit.epoch != epoch:
        return StaleEpoch(commit.partition, commit.epoch, epoch)
    if commit.stream == "":
        return None
    if commit.stream in broken:
        return WrongExpectedVersion(commit.stream, commit.expected_version, version)
    seen: set[str] = set()
    for mark in commit.inbox:
        if mark.command_id in seen or (commit.stream, mark.command_id) in marks:
            return DuplicateCommand(commit.stream, mark.command_id)
        seen.add(mark.command_id)
    if commit.expected_version != version:
        return WrongExpectedVersion(commit.stream, commit.expected_version, version)
    return None
