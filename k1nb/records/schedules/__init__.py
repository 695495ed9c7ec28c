"""Notebooks that Conductor's own scheduler starts: put on the clock, looked at, and seen when they did not run.

Nothing is kept here: a schedule lives on the server, its runs are executions of the workflow `runbook` under the
schedule's key, and their records are in the archive.
"""

from k1nb.records.schedules._checks import checks
from k1nb.records.schedules._look import Sight, look
from k1nb.records.schedules._put import Put, find, names, put, remove
from k1nb.records.schedules._runs import Run, State
from k1nb.records.schedules._wanted import WORKFLOW, daily, refuse_consent, values_for, wanted

__all__ = [
    "WORKFLOW",
    "Put",
    "Run",
    "Sight",
    "State",
    "checks",
    "daily",
    "find",
    "look",
    "names",
    "put",
    "refuse_consent",
    "remove",
    "values_for",
    "wanted",
]
