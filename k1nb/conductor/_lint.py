"""Check definitions against Conductor's rules and this workbook's, without a server."""

from __future__ import annotations

from collections.abc import Iterator

from k1nb.conductor._definitions import Definitions
from k1nb.conductor._finding import Finding
from k1nb.conductor._references import input_findings, reference_findings
from k1nb.conductor._task_rules import task_findings
from k1nb.conductor._workflow_rules import (
    failure_findings,
    form_findings,
    join_findings,
    path_findings,
    use_findings,
)

_ALONE = (form_findings, join_findings)
_ACROSS = (path_findings, failure_findings, use_findings, reference_findings, input_findings)
"""Rules that need the other definitions."""


def lint(definitions: Definitions) -> list[Finding]:
    """Return every rule that a definition breaks, tasks first; empty where all is well.

    What `load` accepts is what lint can read.
    """
    return list(_findings(definitions))


def _findings(definitions: Definitions) -> Iterator[Finding]:
    for task in definitions.tasks.values():
        yield from task_findings(task)
    for (name, version), workflow in definitions.workflows.items():
        where = f"workflow {name} v{version}"
        for alone in _ALONE:
            yield from alone(where, workflow)
        for across in _ACROSS:
            yield from across(where, workflow, definitions)
