"""Bring a server's definitions to those of the files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import Definition, Definitions, Key, kind_of, walk
from k1nb.errors import ConductorRefused, DefinitionError
from k1nb.plan import Plan, Step

_BOOKKEEPING = frozenset({"createTime", "updateTime", "createdBy", "updatedBy", "ownerApp", "accessPolicy"})
"""Keys that the server writes for itself."""
_TASK = {
    "retryCount": 3,
    "retryLogic": "FIXED",
    "retryDelaySeconds": 60,
    "timeoutSeconds": 0,
    "responseTimeoutSeconds": 3600,
    "totalTimeoutSeconds": 0,
    "timeoutPolicy": "TIME_OUT_WF",
    "backoffScaleFactor": 1,
    "maxRetryDelaySeconds": 0,
    "backoffJitterMs": 0,
    "rateLimitPerFrequency": 0,
    "rateLimitFrequencyInSeconds": 1,
    "taskStatusListenerEnabled": True,
    "enforceSchema": False,
}
_WORKFLOW = {
    "schemaVersion": 2,
    "restartable": True,
    "timeoutPolicy": "ALERT_ONLY",
    "timeoutSeconds": 0,
    "workflowStatusListenerEnabled": False,
    "enforceSchema": True,
}
_USE = {"type": "SIMPLE", "optional": False, "permissive": False, "asyncComplete": False, "startDelay": 0}
"""What the server takes where a key is left out. Source: Conductor 3.32.1."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One definition that the server has taken."""

    action: str
    subject: str


def plan_definitions(
    definitions: Definitions,
    server_tasks: Iterable[Mapping[str, Any]],
    server_workflows: Iterable[Mapping[str, Any]],
) -> Plan:
    """Plan which definitions the server needs: task definitions first, children before parents.

    What only the server has is left alone. Defaults that the server writes out are no difference; a key that the
    files leave out and the server has otherwise is one.
    """
    there = {_task_subject(task["name"]): normal_task(task) for task in server_tasks}
    there |= {_subject((w["name"], w.get("version", 1))): normal_workflow(w) for w in server_workflows}
    steps = []
    for subject, definition in _ordered(definitions):
        wanted = normal_workflow(definition) if "tasks" in definition else normal_task(definition)
        found = there.get(subject)
        if found is None:
            steps.append(Step("create", subject, "the server does not have it"))
        elif found != wanted:
            keys = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
            steps.append(Step("update", subject, f"the server's differs in {', '.join(keys)}"))
    seen = {step.subject: _digest(there.get(step.subject)) for step in steps}
    return Plan("definitions on the server", tuple(steps), {"server": seen})


def apply_definitions(
    conductor: Conductor,
    definitions: Definitions,
    plan: Plan,
    on_item: Callable[[Applied], None] | None = None,
) -> list[Applied]:
    """Register what is planned, each definition by itself, and return what was taken.

    A refused one does not keep back the others; then DefinitionError names each with the server's own words.
    """
    known = dict(_ordered(definitions))
    applied, refused = [], []
    for step in plan.steps:
        if step.subject not in known:
            raise DefinitionError(f"{step.subject} is planned, but not defined", hint="plan again")
        try:
            _register(conductor, known[step.subject])
        except ConductorRefused as error:
            refused.append(f"{step.subject}: {error.message}")
            continue
        applied.append(Applied(step.action, step.subject))
        if on_item is not None:
            on_item(applied[-1])
    if refused:
        raise DefinitionError(
            f"{len(refused)} of {len(plan.steps)} definitions were refused: {'; '.join(refused)}",
            hint="`k1nb definitions lint` says what to mend",
        )
    return applied


def _register(conductor: Conductor, definition: Definition) -> None:
    if "tasks" in definition:
        conductor.put_workflow_definition(definition)
    else:
        conductor.put_task_definitions([definition])


def normal_task(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return a task definition with defaults written out, and without what is empty or the server's own."""
    return {**_TASK, **_kept(task)}


def normal_workflow(workflow: Mapping[str, Any]) -> dict[str, Any]:
    """Return a workflow definition with defaults written out, and without what is empty or the server's own."""
    return {**_WORKFLOW, **_kept(workflow), "tasks": [_normal_use(use) for use in workflow["tasks"]]}


def _normal_use(use: Mapping[str, Any]) -> dict[str, Any]:
    normal = {**_USE, **_kept(use)}
    if "decisionCases" in normal:
        cases = normal["decisionCases"].items()
        normal["decisionCases"] = {name: [_normal_use(task) for task in tasks] for name, tasks in cases}
    for key in ("defaultCase", "loopOver"):
        if key in normal:
            normal[key] = [_normal_use(task) for task in normal[key]]
    if "forkTasks" in normal:
        normal["forkTasks"] = [[_normal_use(task) for task in tasks] for tasks in normal["forkTasks"]]
    return normal


def _kept(definition: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in definition.items() if k not in _BOOKKEEPING and v not in (None, "", [], {})}


def _ordered(definitions: Definitions) -> Iterator[tuple[str, Definition]]:
    for name in sorted(definitions.tasks):
        yield _task_subject(name), definitions.tasks[name]
    done: set[Key] = set()
    for key in sorted(definitions.workflows):
        for each in _family(definitions, key, done):
            yield _subject(each), definitions.workflows[each]


def _family(definitions: Definitions, key: Key, done: set[Key]) -> Iterator[Key]:
    """Yield the workflows that this one starts, then itself, each once."""
    if key in done or key not in definitions.workflows:
        return
    done.add(key)
    workflow = definitions.workflows[key]
    started = [use.get("subWorkflowParam") or {} for use in walk(workflow["tasks"]) if kind_of(use) == "SUB_WORKFLOW"]
    started.append({"name": workflow.get("failureWorkflow"), "version": workflow.get("failureWorkflowVersion")})
    for other in started:
        child = definitions.workflow(other.get("name") or "", other.get("version"))
        if child is not None:
            yield from _family(definitions, (child["name"], child["version"]), done)
    yield key


def _task_subject(name: str) -> str:
    return f"task {name}"


def _subject(key: Key) -> str:
    return f"workflow {key[0]} v{key[1]}"


def _digest(definition: Mapping[str, Any] | None) -> str | None:
    if definition is None:
        return None
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:12]
