"""For tests of what is written with Perdure: no servers, no waiting.

`scenario` tests an actor: given these events, when this command, then those events.
"""

from actors.testing.scenario import Scenario, scenario

__all__ = ["Scenario", "scenario"]
