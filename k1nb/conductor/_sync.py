"""Bring a server's definitions to those of the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import (
    Definition,
    Definitions,
    Key,
    child_of,
    kind_of,
    task_subject,
    walk,
    workflow_subject,
)
from k1nb.conductor._diff import Difference, Kind, by_subject, diff, key_of
from k1nb.conductor._normal import normal
from k1nb.errors import ConductorRefused, DefinitionError
from k1nb.plan import Plan, Step

CREATE, UPDATE, UPDATE_IN_USE = "create", "update", "update in use"
APPLIED, FAILED, UNCHANGED = "applied", "failed", "unchanged"
_NAMED = 3
"""Changes that a step names."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one definition."""

    action: str
    subject: str
    status: str = APPLIED
    """`applied`, `failed` or `unchanged`."""
    words: str = ""
    """Why it failed, as the server said it."""

    def as_dict(self) -> dict[str, str]:
        """Return the item as JSON-able data."""
        return {"subject": self.subject, "action": self.action, "status": self.status, "words": self.words}


def plan_definitions(
    definitions: Definitions,
    server_tasks: Iterable[Mapping[str, Any]],
    server_workflows: Iterable[Mapping[str, Any]],
    in_use: Mapping[str, Sequence[str]] | None = None,
) -> Plan:
    """Plan which definitions the server needs: task definitions first, children before parents.

    What only the server has is left alone. To overwrite is destructive. `in_use` names the running executions that a
    changed workflow would reach; such a change wants a new version, and its step says so.
    """
    tasks, workflows = list(server_tasks), list(server_workflows)
    differs = {found.subject: found for found in diff(definitions, tasks, workflows)}
    used = in_use or {}
    known = [*definitions.workflows, *map(key_of, workflows)]
    steps = [
        _step(differs[subject], _next_version(subject, known) if used.get(subject) else None)
        for subject, _ in _ordered(definitions)
        if subject in differs
    ]
    return Plan(
        "definitions on the server",
        tuple(steps),
        _preconditions(definitions, steps, tasks, workflows, used),
        in_notebook=True,
    )


def _step(difference: Difference, version: int | None) -> Step:
    """Return the step for one definition; `version` is the one to give it where it is in use."""
    if difference.kind is Kind.ADDED:
        return Step(CREATE, difference.subject, "the server does not have it")
    more = len(difference.changes) - _NAMED
    named = [*map(str, difference.changes[:_NAMED]), *([f"and {more} more"] if more > 0 else [])]
    why = f"the server's differs: {'; '.join(named)}"
    if version is None:
        return Step(UPDATE, difference.subject, why, destructive=True)
    why += f"; running executions would see it change: give it version {version}"
    return Step(UPDATE_IN_USE, difference.subject, why, destructive=True)


def _next_version(subject: str, known: Iterable[Key]) -> int:
    """Return the first version of a workflow that neither files nor server have."""
    name = subject.removeprefix("workflow ").rpartition(" v")[0]
    return max((version for other, version in known if other == name), default=0) + 1


def _preconditions(
    definitions: Definitions,
    steps: Sequence[Step],
    tasks: Sequence[Mapping[str, Any]],
    workflows: Sequence[Mapping[str, Any]],
    in_use: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Return what a plan rests on: both sides of what differs, and what of it runs.

    Which executions those are is not in it, or on a busy server no plan would last until it is consented to.
    """
    wanted, there = dict(_ordered(definitions)), by_subject(tasks, workflows)
    subjects = [step.subject for step in steps]
    facts: dict[str, Any] = {
        "files": _digest([normal(wanted[subject]) for subject in subjects]),
        "server": _digest([there.get(subject) for subject in subjects]),
    }
    running = [subject for subject in subjects if in_use.get(subject)]
    return {**facts, "running": running} if running else facts


def running_uses(
    conductor: Conductor, differences: Iterable[Difference], server_workflows: Iterable[Mapping[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """Return the running executions that a changed workflow would reach, by its subject.

    Those of it keep the definition they began with, so that two of one version would run differently; those that
    start it take up whatever is there when they come to it. Raises ConductorError. Source: Conductor 3.32.1.
    """
    workflows = {key_of(workflow): dict(workflow) for workflow in server_workflows}
    found = {}
    for difference in differences:
        key = next((key for key in workflows if workflow_subject(key) == difference.subject), None)
        if key is None or difference.kind is not Kind.CHANGED or not difference.matters:
            continue
        reached = (conductor.running_ids(*each) for each in _users(Definitions({}, workflows), key))
        if ids := tuple(sorted({execution for ids in reached for execution in ids})):
            found[difference.subject] = ids
    return found


def _users(server: Definitions, key: Key) -> set[Key]:
    """Return a workflow and all that start it, directly or not."""
    users, waiting = {key}, [key]
    while waiting:
        wanted = waiting.pop()
        for other, workflow in server.workflows.items():
            if other not in users and wanted in {key_of(child) for child in _children(server, workflow)}:
                users.add(other)
                waiting.append(other)
    return users


def carry_out(
    conductor: Conductor,
    definitions: Definitions,
    plan: Plan,
    on_item: Callable[[Applied], None] | None = None,
) -> list[Applied]:
    """Register what is planned, each definition by itself, and return what became of each.

    A refused one does not keep back the others. Raises DefinitionError where the plan is for other definitions.
    """
    known = dict(_ordered(definitions))
    unknown = [step.subject for step in plan.steps if step.subject not in known]
    if unknown:
        raise DefinitionError(f"{', '.join(unknown)} is planned, but not defined", hint="plan again")
    report = []
    for step in plan.steps:
        report.append(_registered(conductor, step, known[step.subject]))
        if on_item is not None:
            on_item(report[-1])
    return report


def apply_definitions(
    conductor: Conductor,
    definitions: Definitions,
    plan: Plan,
    on_item: Callable[[Applied], None] | None = None,
) -> list[Applied]:
    """Register what is planned and return what was taken; raises DefinitionError where anything was refused.

    Nobody is asked: whoever calls this has consented.
    """
    report = carry_out(conductor, definitions, plan, on_item)
    refused = [f"{item.subject}: {item.words}" for item in report if item.status == FAILED]
    if refused:
        raise DefinitionError(
            f"{len(refused)} of {len(plan.steps)} definitions were refused: {'; '.join(refused)}",
            hint="`k1nb definitions lint` says what to mend",
        )
    return report


def _registered(conductor: Conductor, step: Step, definition: Definition) -> Applied:
    try:
        if "tasks" in definition:
            conductor.put_workflow_definition(definition)
        else:
            conductor.put_task_definitions([definition])
    except ConductorRefused as error:
        return Applied(step.action, step.subject, FAILED, error.message)
    return Applied(step.action, step.subject)


def _ordered(definitions: Definitions) -> Iterator[tuple[str, Definition]]:
    for name in sorted(definitions.tasks):
        yield task_subject(name), definitions.tasks[name]
    done: set[Key] = set()
    for key in sorted(definitions.workflows):
        for each in _family(definitions, key, done):
            yield workflow_subject(each), definitions.workflows[each]


def _family(definitions: Definitions, key: Key, done: set[Key]) -> Iterator[Key]:
    """Yield the workflows that this one starts, then itself, each once."""
    if key in done or key not in definitions.workflows:
        return
    done.add(key)
    for child in _children(definitions, definitions.workflows[key]):
        yield from _family(definitions, key_of(child), done)
    yield key


def _children(definitions: Definitions, workflow: Definition) -> Iterator[Definition]:
    """Yield the definitions of what a workflow starts, its failure workflow included."""
    uses = (use for use in walk(workflow["tasks"]) if kind_of(use) == "SUB_WORKFLOW")
    found = [child_of(use, definitions) for use in uses]
    found.append(definitions.workflow(workflow.get("failureWorkflow") or "", workflow.get("failureWorkflowVersion")))
    yield from (child for child in found if child is not None)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
