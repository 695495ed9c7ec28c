"""What kind of JSON value stands under each key; Conductor cannot read another one, or changes it silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from k1nb.conductor._definitions import Definition, Definitions, branches, walk
from k1nb.conductor._finding import Finding


class Kind(StrEnum):
    """A kind of value, as findings call it."""

    TEXT = "a text"
    TEXTS = "a list of texts"
    MAP = "a JSON object"
    FLAG = "true or false"
    NUMBER = "a whole number"


Kinds = Mapping[str, Kind]
_OWNED: Kinds = {"description": Kind.TEXT, "ownerEmail": Kind.TEXT, "inputTemplate": Kind.MAP}
TASK: Kinds = {
    **_OWNED,
    **dict.fromkeys(("inputKeys", "outputKeys"), Kind.TEXTS),
    **dict.fromkeys(("taskStatusListenerEnabled", "enforceSchema"), Kind.FLAG),
    **dict.fromkeys(
        (
            "retryCount",
            "retryDelaySeconds",
            "timeoutSeconds",
            "responseTimeoutSeconds",
            "totalTimeoutSeconds",
            "pollTimeoutSeconds",
            "backoffScaleFactor",
            "maxRetryDelaySeconds",
            "backoffJitterMs",
            "concurrentExecLimit",
            "rateLimitPerFrequency",
            "rateLimitFrequencyInSeconds",
        ),
        Kind.NUMBER,
    ),
}
WORKFLOW: Kinds = {
    **_OWNED,
    "failureWorkflow": Kind.TEXT,
    "inputParameters": Kind.TEXTS,
    **dict.fromkeys(("outputParameters", "variables"), Kind.MAP),
    **dict.fromkeys(("restartable", "workflowStatusListenerEnabled", "enforceSchema"), Kind.FLAG),
    **dict.fromkeys(("timeoutSeconds", "failureWorkflowVersion"), Kind.NUMBER),
}
USE: Kinds = {
    **dict.fromkeys(
        ("description", "type", "evaluatorType", "expression", "loopCondition", "caseValueParam"), Kind.TEXT
    ),
    **dict.fromkeys(("optional", "permissive", "asyncComplete"), Kind.FLAG),
    **dict.fromkeys(("inputParameters", "subWorkflowParam", "onStateChange"), Kind.MAP),
    **dict.fromkeys(("retryCount", "startDelay"), Kind.NUMBER),
    "joinOn": Kind.TEXTS,
}
CHILD: Kinds = {"name": Kind.TEXT, "version": Kind.NUMBER}
"""Of `subWorkflowParam`."""
_LEAST = {"backoffScaleFactor": 1}
_EMPTY: Mapping[Kind, type] = {Kind.TEXTS: list, Kind.MAP: dict}


def kind_findings(where: str, definition: Definition) -> Iterator[Finding]:
    """Yield every value of a definition that is of another kind than Conductor reads."""
    if "tasks" not in definition:
        yield from _findings(where, definition, TASK)
        return
    yield from _findings(where, definition, WORKFLOW)
    for use in walk(definition["tasks"]):
        place = f"{where}: {use['taskReferenceName']}"
        yield from _findings(place, use, USE)
        if isinstance(use.get("subWorkflowParam"), dict):
            yield from _findings(place, use["subWorkflowParam"], CHILD)


def _findings(where: str, values: Definition, kinds: Kinds) -> Iterator[Finding]:
    for key in _faulty(values, kinds):
        kind, value = kinds[key], values[key]
        if key in ("inputKeys", "outputKeys"):
            text = f"{key} is no list of texts, which the server cannot read or changes"
            yield Finding("R3", where, text, "give a list of names")
        elif kind is Kind.NUMBER:
            mend = f"give a whole number from {_LEAST.get(key, 0)}"
            yield Finding("K1-NUMBER", where, f"{key} is {value!r}, which is no such whole number", mend)
        else:
            yield Finding("K1-KIND", where, f"{key} is {value!r}", f"give {kind}")


def _faulty(values: Definition, kinds: Kinds) -> list[str]:
    return [key for key, kind in kinds.items() if key in values and not _fits(key, values[key], kind)]


def _fits(key: str, value: Any, kind: Kind) -> bool:
    if kind is Kind.NUMBER:
        return isinstance(value, int) and not isinstance(value, bool) and value >= _LEAST.get(key, 0)
    if kind is Kind.TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, {Kind.TEXT: str, Kind.MAP: dict, Kind.FLAG: bool}[kind])


def readable(definitions: Definitions) -> Definitions:
    """Return the definitions without what `kind_findings` finds, so that every other rule can read them."""
    tasks = {name: _readable(task, TASK) for name, task in definitions.tasks.items()}
    return Definitions(tasks, {key: _workflow(workflow) for key, workflow in definitions.workflows.items()})


def _workflow(workflow: Definition) -> Definition:
    return {**_readable(workflow, WORKFLOW), "tasks": [_use(use) for use in workflow["tasks"]]}


def _use(use: Definition) -> Definition:
    sound = _readable(use, USE)
    if sound.get("subWorkflowParam"):
        sound["subWorkflowParam"] = _readable(sound["subWorkflowParam"], CHILD)
    return with_branches(sound, {name: [_use(task) for task in tasks] for name, tasks in branches(use).items()})


def with_branches(use: Definition, inside: Mapping[str, list[Definition]]) -> Definition:
    """Return a task with other task lists inside, by the names that `branches` gives them."""
    changed = dict(use)
    if use.get("decisionCases"):
        changed["decisionCases"] = {name: inside[f"case {name}"] for name in use["decisionCases"]}
    if use.get("forkTasks"):
        changed["forkTasks"] = [inside[f"fork {number}"] for number in range(1, len(use["forkTasks"]) + 1)]
    if use.get("defaultCase"):
        changed["defaultCase"] = inside["default"]
    if use.get("loopOver"):
        changed["loopOver"] = inside["loop"]
    return changed


def _readable(values: Definition, kinds: Kinds) -> Definition:
    sound = dict(values)
    for key in _faulty(values, kinds):
        if kinds[key] in _EMPTY:
            sound[key] = _EMPTY[kinds[key]]()
        else:
            del sound[key]
    return sound
