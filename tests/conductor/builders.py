"""Definitions that break no rule, to be changed by one thing at a time, and copies under other names."""

from __future__ import annotations

import json
import uuid
from typing import Any

from k1nb.conductor import Definitions
from k1nb.conductor._definitions import kind_of, walk

OWNER = "dev@k1.reinvented"


def unique(word: str) -> str:
    """Return a name that no other test uses."""
    return f"{word}{uuid.uuid4().hex[:10]}"


def a_task(name: str = "compile", **changes: Any) -> dict[str, Any]:
    """Return a task definition; a change to None leaves the key out."""
    task = {
        "name": name,
        "ownerEmail": OWNER,
        "inputKeys": ["repo"],
        "outputKeys": ["image"],
        "retryCount": 1,
        "retryLogic": "FIXED",
        "retryDelaySeconds": 5,
        "timeoutSeconds": 60,
        "responseTimeoutSeconds": 30,
        "timeoutPolicy": "RETRY",
        **changes,
    }
    return {key: value for key, value in task.items() if value is not None}


def a_use(name: str = "compile", reference: str = "", /, **changes: Any) -> dict[str, Any]:
    """Return a task as used in a workflow."""
    return {"name": name, "taskReferenceName": reference or name, "type": "SIMPLE", **changes}


def a_switch(*, cases: dict[str, Any], default: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a SWITCH on the input `repo`."""
    switch = {
        "evaluatorType": "value-param",
        "expression": "repo",
        "inputParameters": {"repo": "${workflow.input.repo}"},
        "decisionCases": cases,
        "defaultCase": default or [],
        **changes,
    }
    return a_use("decision", type="SWITCH", **{key: value for key, value in switch.items() if value is not None})


def an_end(reference: str = "end", status: str = "FAILED", **changes: Any) -> dict[str, Any]:
    """Return a TERMINATE task."""
    return a_use(reference, **{"type": "TERMINATE", "inputParameters": {"terminationStatus": status}, **changes})


def a_child(name: str = "child", reference: str = "child", **changes: Any) -> dict[str, Any]:
    """Return a SUB_WORKFLOW task."""
    return a_use(reference, **{"type": "SUB_WORKFLOW", "subWorkflowParam": {"name": name, "version": 1}, **changes})


def a_workflow(*uses: dict[str, Any], name: str = "build", **changes: Any) -> dict[str, Any]:
    """Return a workflow definition; a change to None leaves the key out."""
    workflow = {
        "name": name,
        "version": 1,
        "schemaVersion": 2,
        "ownerEmail": OWNER,
        "timeoutPolicy": "TIME_OUT_WF",
        "timeoutSeconds": 3600,
        "inputParameters": ["repo"],
        "tasks": list(uses) or [a_use()],
        **changes,
    }
    return {key: value for key, value in workflow.items() if value is not None}


def defined(*definitions: dict[str, Any]) -> Definitions:
    """Return task and workflow definitions together."""
    tasks = {d["name"]: d for d in definitions if "tasks" not in d}
    return Definitions(tasks, {(d["name"], d["version"]): d for d in definitions if "tasks" in d})


def renamed(definitions: Definitions, suffix: str) -> Definitions:
    """Return copies whose tasks and workflows bear other names, so that nobody else serves them."""
    copies = json.loads(json.dumps([list(definitions.tasks.values()), list(definitions.workflows.values())]))
    for task in copies[0]:
        task["name"] += f"_{suffix}"
    for workflow in copies[1]:
        workflow["name"] += f"-{suffix}"
        if "failureWorkflow" in workflow:
            workflow["failureWorkflow"] += f"-{suffix}"
        for use in walk(workflow["tasks"]):
            if kind_of(use) == "SIMPLE":
                use["name"] += f"_{suffix}"
            elif kind_of(use) == "SUB_WORKFLOW":
                use["subWorkflowParam"]["name"] += f"-{suffix}"
    return defined(*copies[0], *copies[1])
