"""Schedules: durable things that start workflows at times. `schedule` says when, `workflow` does it; the README tells the rest."""

from actors import App
from runtime.schedules.schedule import MAX_ID, Definition, Overlap, Schedule
from runtime.schedules.state import Counts, Described, Item, Recent, Running
from runtime.schedules.times import next_times, times_between
from runtime.schedules.workflow import KEEP, TYPE, Filled, ScheduleWorkflow

__all__ = [
    "KEEP",
    "MAX_ID",
    "TYPE",
    "Counts",
    "Definition",
    "Described",
    "Filled",
    "Item",
    "Overlap",
    "Recent",
    "Running",
    "Schedule",
    "ScheduleWorkflow",
    "include_schedules",
    "next_times",
    "times_between",
]


def include_schedules(app: App) -> App:
    """Let an app know schedules, as every node does by itself.

    Raises:
        DefinitionError: it has a type of its own with that name.
    """
    app.include(ScheduleWorkflow)
    return app
