"""`make mutants` takes minutes; that its mutants still fit the code is told in no time."""

from __future__ import annotations

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant
from tests.mutants.planting import Edit, TargetGone


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_has_its_targets(mutant: Mutant) -> None:
    """Whoever changes the code that a bug is planted in writes the mutant anew."""
    for edit in mutant.edits:
        edit.check()


@pytest.mark.parametrize(
    "edit", [Edit("runtime/worker.py", "not there", ""), Edit("runtime/gone.py", "", ""), Edit("README.md", "e", "")]
)
def test_a_target_that_is_gone_or_not_unique_is_an_error(edit: Edit) -> None:
    """A mutant that changes nothing would look like one that nobody caught."""
    with pytest.raises(TargetGone, match="write the mutant anew"):
        edit.check()
