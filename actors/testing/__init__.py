"""For tests of what is written with Perdure: no servers, no waiting.

`scenario` tests an actor: given these events, when this command, then those events. `WorkflowTest` runs workflows,
actors and tasks on a clock that jumps. `crash_everywhere` tells a story again and again, with a crash at every step.
`check_json=True` sees whether all that travels comes back from JSON as it is. `assert_replays` replays recorded histories.
"""

from actors.testing.crash import MODES, crash_everywhere
from actors.testing.errors import (
    CommandFailed,
    CommandRefused,
    EndsOtherwise,
    InstanceStuck,
    NoEnd,
    NothingHappens,
    NotPreserved,
    ReplayDiffers,
    StoryFailed,
    TaskNotExpected,
)
from actors.testing.faults import Faults
from actors.testing.instance import Instance
from actors.testing.json_check import assert_survives_json
from actors.testing.mocks import Call, in_turn, must_not_run
from actors.testing.replays import assert_replays
from actors.testing.runner import WorkflowTest
from actors.testing.scenario import Scenario, scenario

__all__ = [
    "MODES",
    "Call",
    "CommandFailed",
    "CommandRefused",
    "EndsOtherwise",
    "Faults",
    "Instance",
    "InstanceStuck",
    "NoEnd",
    "NotPreserved",
    "NothingHappens",
    "ReplayDiffers",
    "Scenario",
    "StoryFailed",
    "TaskNotExpected",
    "WorkflowTest",
    "assert_replays",
    "assert_survives_json",
    "crash_everywhere",
    "in_turn",
    "must_not_run",
    "scenario",
]
