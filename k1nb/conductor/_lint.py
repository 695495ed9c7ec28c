"""Check definitions against Conductor's rules and this workbook's, without a server."""

from __future__ import annotations

from collections.abc import Iterator

from k1nb.conductor._definitions import Definitions, task_subject, workflow_subject
from k1nb.conductor._finding import Finding
from k1nb.conductor._kinds import kind_findings, readable
from k1nb.conductor._place_rules import place_findings
from k1nb.conductor._references import (
    failure_input_findings,
    input_findings,
    name_findings,
    order_findings,
    payload_findings,
    reference_findings,
)
from k1nb.conductor._task_rules import task_findings
from k1nb.conductor._use_rules import use_findings
from k1nb.conductor._workflow_rules import failure_findings, form_findings, join_findings, path_findings

_ALONE = (form_findings, join_findings, order_findings, name_findings, payload_findings, place_findings)
_ACROSS = (
    path_findings,
    failure_findings,
    failure_input_findings,
    use_findings,
    reference_findings,
    input_findings,
)
"""Rules that need the other definitions."""


def lint(definitions: Definitions, others: Definitions | None = None) -> list[Finding]:
    """Return every rule that a definition breaks, tasks first; empty where all is well.

    `others` may be referred to as well, and are not judged. What `load` accepts is what lint can read.
    """
    sound = readable(definitions)
    known = sound.over(readable(others)) if others else sound
    return list(_findings(definitions, sound, known))


def _findings(definitions: Definitions, sound: Definitions, known: Definitions) -> Iterator[Finding]:
    for name, task in sound.tasks.items():
        where = task_subject(name)
        yield from kind_findings(where, definitions.tasks[name])
        yield from task_findings(task)
        yield from place_findings(where, task)
    for key, workflow in sound.workflows.items():
        where = workflow_subject(key)
        yield from kind_findings(where, definitions.workflows[key])
        for alone in _ALONE:
            yield from alone(where, workflow)
        for across in _ACROSS:
            yield from across(where, workflow, known)
