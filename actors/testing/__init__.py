"""For tests of what is written with Perdure: no servers, no waiting.

`scenario` tests an actor: given these events, when this command, then those events. `WorkflowTest` runs workflows,
actors and tasks on a clock that jumps.
"""

from actors.testing.errors import (
    CommandFailed,
    CommandRefused,
    InstanceStuck,
    NoEnd,
    NothingHappens,
    StoryFailed,
    TaskNotExpected,
)
from actors.testing.faults import Faults
from actors.testing.instance import Instance
from actors.testing.mocks import Call, in_turn, must_not_run
from actors.testing.runner import WorkflowTest
from actors.testing.scenario import Scenario, scenario

__all__ = [
    "Call",
    "CommandFailed",
    "CommandRefused",
    "Faults",
    "Instance",
    "InstanceStuck",
    "NoEnd",
    "NothingHappens",
    "Scenario",
    "StoryFailed",
    "TaskNotExpected",
    "WorkflowTest",
    "in_turn",
    "must_not_run",
    "scenario",
]
