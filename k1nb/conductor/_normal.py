"""One form for what files and server have: defaults written out to compare, left out to keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from k1nb.conductor._definitions import Definition, branches, kind_of
from k1nb.conductor._kinds import with_branches

WIDTH = 120
"""Of a line of a definition's file."""
_BOOKKEEPING = frozenset({"createTime", "updateTime", "createdBy", "updatedBy", "ownerApp", "accessPolicy"})
"""Keys that the server writes for itself."""
_COSMETIC = frozenset({"description", "ownerEmail", "metadata"})
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

_TASK_SAYS = ("inputKeys", "outputKeys", "retryCount", "timeoutSeconds", "responseTimeoutSeconds", "timeoutPolicy")
_RETRIES = ("retryLogic", "retryDelaySeconds")
_WORKFLOW_SAYS = ("schemaVersion", "timeoutPolicy", "timeoutSeconds")
"""Keys that a file has even where they say what the server would take; lint asks for them."""
_TASK_ORDER = """
    name description ownerEmail * inputKeys outputKeys inputTemplate retryCount retryLogic retryDelaySeconds
    backoffScaleFactor maxRetryDelaySeconds backoffJitterMs timeoutSeconds responseTimeoutSeconds
    totalTimeoutSeconds pollTimeoutSeconds timeoutPolicy
""".split()  # noqa: SIM905 - as in `_keys`
_WORKFLOW_ORDER = """
    name version schemaVersion description ownerEmail timeoutPolicy timeoutSeconds failureWorkflow
    failureWorkflowVersion restartable * inputParameters inputTemplate variables tasks outputParameters
""".split()  # noqa: SIM905 - as in `_keys`
_USE_ORDER = """
    name taskReferenceName type description evaluatorType expression loopCondition subWorkflowParam optional
    startDelay retryCount * joinOn inputParameters decisionCases defaultCase forkTasks loopOver
""".split()  # noqa: SIM905 - as in `_keys`
"""The order of a file's keys; any other stands at the star."""


def normal_task(task: Mapping[str, Any]) -> Definition:
    """Return a task definition with defaults written out, and without what is empty or the server's own."""
    return {**_TASK, **_kept(task)}


def normal_workflow(workflow: Mapping[str, Any]) -> Definition:
    """Return a workflow definition with defaults written out, and without what is empty or the server's own."""
    return {**_WORKFLOW, **_kept(workflow), "tasks": [_each(use, _normal_use) for use in workflow["tasks"]]}


def normal(definition: Mapping[str, Any]) -> Definition:
    """Return a task or workflow definition with defaults written out."""
    return normal_workflow(definition) if "tasks" in definition else normal_task(definition)


def essential(definition: Mapping[str, Any]) -> Definition:
    """Return a task or workflow definition without what changes nothing of how an execution runs."""
    kept = {key: value for key, value in definition.items() if key not in _COSMETIC}
    if "tasks" in kept:
        kept["tasks"] = [_each(use, essential) for use in kept["tasks"]]
    return kept


def lean(definition: Mapping[str, Any]) -> Definition:
    """Return a task or workflow definition as a file has it: without defaults, keys in their order."""
    if "tasks" in definition:
        found = _without(_kept(definition), _WORKFLOW, _WORKFLOW_SAYS)
        found["tasks"] = [_each(use, _lean_use) for use in definition["tasks"]]
        return _in_order(found, _WORKFLOW_ORDER)
    kept = {"inputKeys": [], "outputKeys": [], **_kept(definition)}
    says = (*_TASK_SAYS, *_RETRIES) if kept.get("retryCount", _TASK["retryCount"]) else _TASK_SAYS
    return _in_order(_without(kept, _TASK, says), _TASK_ORDER)


def text_of(definition: Mapping[str, Any]) -> str:
    """Return the text of a definition's file: what fits stands on one line, everything else has its own."""
    return _text(lean(definition), 0, 0) + "\n"


def _each(use: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Definition]) -> Definition:
    inside = {name: [_each(task, change) for task in tasks] for name, tasks in branches(use).items()}
    return with_branches(change(use), inside)


def _normal_use(use: Mapping[str, Any]) -> Definition:
    return {**_USE, **_kept(use)}


def _lean_use(use: Mapping[str, Any]) -> Definition:
    found = {"type": "SIMPLE", **_without(_kept(use), _USE, ("type",))}
    if kind_of(use) == "SWITCH":
        found.setdefault("defaultCase", [])
    return _in_order(found, _USE_ORDER)


def _kept(definition: Mapping[str, Any]) -> Definition:
    return {k: v for k, v in definition.items() if k not in _BOOKKEEPING and v not in (None, "", [], {})}


def _without(values: Definition, defaults: Mapping[str, Any], says: Iterable[str]) -> Definition:
    return {key: value for key, value in values.items() if key in says or key not in defaults or value != defaults[key]}


def _in_order(values: Definition, order: list[str]) -> Definition:
    at = order.index("*")
    others = [key for key in values if key not in order]
    return {key: values[key] for key in (*order[:at], *others, *order[at:]) if key in values}


def _text(value: Any, indent: int, used: int) -> str:
    """Return a value as JSON; `used` is what else stands on its line."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or (indent and indent + used + len(flat) <= WIDTH):
        return flat
    keyed = isinstance(value, dict)
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    inner, lines = " " * (indent + 2), []
    for number, (key, item) in enumerate(items, 1):
        head = f"{json.dumps(key, ensure_ascii=False)}: " if keyed else ""
        comma = "," if number < len(value) else ""
        lines.append(f"{inner}{head}{_text(item, indent + 2, len(head) + len(comma))}{comma}")
    opening, closing = "{}" if keyed else "[]"
    return "\n".join((opening, *lines, " " * indent + closing))
