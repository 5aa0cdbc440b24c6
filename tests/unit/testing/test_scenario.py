"""Given, when, then."""

from __future__ import annotations

from decimal import Decimal

import pytest

from actors import Bug, DefinitionError, InvalidArguments, PayloadRefused, UnknownName, Workflow
from actors.testing import scenario
from tests.unit.testing.bank import (
    Account,
    Balance,
    Careless,
    Deposited,
    Frozen,
    Scales,
    Unknown,
    Weighed,
    Weights,
    Withdrawn,
)

D = Decimal


def test_events_answer_and_state() -> None:
    """All that a command leads to, in one sentence."""
    scenario(Account).given(Deposited(D(100))).when("withdraw", D(30)).then(
        Withdrawn(D(30)), answers=70, state=Balance(D(70), ["in", "out"])
    )


def test_sentences_follow_each_other() -> None:
    """What was emitted is given for the next command; a query gives its answer."""
    story = (
        scenario(Account, "ada")
        .when("deposit", D(5))
        .then(Deposited(D(5)))
        .when("withdraw", D(5))
        .then(Withdrawn(D(5)), state={"amount": 0})
    )
    assert story.query("balance") == 0
    assert story.events == [Deposited(D(5)), Withdrawn(D(5))]


def test_a_rejected_command_leaves_no_event() -> None:
    """Also when it had emitted before it was refused."""
    story = scenario(Account).given(Deposited(D(10))).when("withdraw", D(30))
    story.rejected("insufficient", state=Balance(D(10), ["in"]))
    assert story.events == [Deposited(D(10))]


def test_another_declared_failure() -> None:
    """Is named exactly."""
    story = scenario(Account).when("withdraw", D(1), note="frozen").rejected(by=Frozen)
    with pytest.raises(AssertionError, match=r"expected refusal: Rejected\n  actual refusal:   Frozen: ask the bank"):
        story.rejected()


def test_other_events() -> None:
    """The message has both, and the first place where they differ."""
    with pytest.raises(AssertionError) as caught:
        scenario(Account, "a1").given(Deposited(D(100))).when("withdraw", D(3), note="x").then(Withdrawn(D(30), "x"))
    assert str(caught.value) == (
        "Account/a1: withdraw(Decimal('3'), note='x') after Deposited(amount=Decimal('100'))\n"
        "  expected events: Withdrawn(amount=Decimal('30'), note='x')\n"
        "  actual events:   Withdrawn(amount=Decimal('3'), note='x')\n"
        "  event 1.amount: expected Decimal('30'), was Decimal('3')"
    )


def test_another_sort_or_number_of_events() -> None:
    """Two types with the same fields are not the same."""
    story = scenario(Account).when("deposit", D(1))
    with pytest.raises(AssertionError, match=r"event 1: expected Withdrawn\(.*, was Deposited\("):
        story.then(Withdrawn(D(1)))
    with pytest.raises(AssertionError, match="expected 0 events, was 1"):
        story.then()
    with pytest.raises(AssertionError, match="expected 2 events, was 1"):
        story.then(Deposited(D(1)), Deposited(D(1)))


def test_another_answer_or_state() -> None:
    """Each with what was expected and what came; a state may be given in part."""
    story = scenario(Account).when("deposit", D(1))
    with pytest.raises(AssertionError, match=r"answer: expected 2, was Decimal\('1'\)"):
        story.then(Deposited(D(1)), answers=2)
    with pytest.raises(AssertionError, match=r"state.movements\[0\]: expected 'out', was 'in'"):
        story.then(Deposited(D(1)), state=Balance(D(1), ["out"]))
    with pytest.raises(AssertionError, match=r"state.amount: expected 7, was Decimal\('1'\)"):
        story.then(Deposited(D(1)), state={"amount": 7})
    with pytest.raises(AssertionError, match="Balance has no amuont"):
        story.then(Deposited(D(1)), state={"amuont": 1})


def test_refused_against_taken() -> None:
    """The refusal's text stands in the message, and what came of a command that was taken."""
    with pytest.raises(AssertionError, match="but it was refused: Rejected: insufficient funds"):
        scenario(Account).when("withdraw", D(1)).then(Withdrawn(D(1)))
    with pytest.raises(AssertionError, match=r"but it was taken: emitted Deposited\(.*answered Decimal\('1'\)"):
        scenario(Account).when("deposit", D(1)).rejected("no")
    with pytest.raises(AssertionError, match=r"no command was sent yet"):
        scenario(Account).then()


def test_a_state_changed_without_an_event() -> None:
    """Planted: the change would be lost with the activation."""
    with pytest.raises(
        AssertionError, match=r"state.amount: expected Decimal\('5'\), was Decimal\('4'\)\n  Only @event"
    ):
        scenario(Careless).given(Deposited(D(5))).when("fee", D(1))


def test_a_fold_that_gives_another_state_each_time() -> None:
    """Planted: an @event method that looks at something besides the event."""
    with pytest.raises(AssertionError, match="the state in memory is not what its events give"):
        scenario(Careless).when("touch")


def test_mistakes_come_with_their_cause() -> None:
    """The handler's own exception, for pytest to show."""
    with pytest.raises(Bug, match="divide raised ZeroDivisionError") as caught:
        scenario(Careless).when("divide")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_does_not_fit() -> None:
    """Unknown events, commands and arguments are the test's own mistakes."""
    with pytest.raises(DefinitionError, match="no @event method for Unknown; it knows: Deposited, Withdrawn"):
        scenario(Account).given(Unknown())
    with pytest.raises(PayloadRefused, match=r"given Deposited\(amount=\[\]\): .*amount"):
        scenario(Account).given(Deposited([]))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(UnknownName, match="withdrawal"):
        scenario(Account).when("withdrawal", 1)
    with pytest.raises(InvalidArguments, match="amount"):
        scenario(Account).when("withdraw", amount=[])


def test_a_workflow_has_another_test() -> None:
    """The message says which."""

    class Order(Workflow):
        async def run(self) -> None: ...

    with pytest.raises(DefinitionError, match="WorkflowTest"):
        scenario(Order)  # type: ignore[arg-type]  # on purpose


def test_events_of_an_older_form() -> None:
    """Are read by upcasters; given events and emitted ones are of today's form."""
    story = scenario(Scales).given_recorded("Put", {"kg": 2}).given(Weighed(5)).when("weigh", 1)
    story.then(Weighed(1), state=Weights(2006))
    assert story.events == [Weighed(2000), Weighed(5), Weighed(1)]
    with pytest.raises(Bug, match="KeyError"):
        scenario(Scales).given_recorded("Weighed", {"stones": 2})
