"""Rules for what `${…}` refers to, and for what tasks are given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from k1nb.conductor._definitions import Definition, Definitions, kind_of, walk
from k1nb.conductor._finding import Finding

_REFERENCE = re.compile(r"\$\{([^{}]+)\}")


def references(value: Any) -> Iterator[str]:
    """Yield the path in every `${…}` of a JSON value."""
    if isinstance(value, str):
        yield from _REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def reference_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield every reference that would resolve to null, for there is no such input, task or output."""
    uses = {use["taskReferenceName"]: use for use in walk(workflow["tasks"])}
    places: list[tuple[str, Any]] = [(f"{where}: {name}", _own(use)) for name, use in uses.items()]
    places.append((f"{where}: outputParameters", workflow.get("outputParameters")))
    for place, value in places:
        for path in sorted(set(references(value))):
            fault = _fault(path, workflow, uses, definitions)
            if fault:
                yield Finding(fault[0], place, f"${{{path}}} is always null: {fault[1]}", "correct the reference")


def _own(use: Definition) -> dict[str, Any]:
    return {key: use.get(key) for key in ("inputParameters", "subWorkflowParam", "loopCondition", "items")}


def _fault(
    path: str, workflow: Definition, uses: dict[str, Definition], definitions: Definitions
) -> tuple[str, str] | None:
    source, *rest = path.split(".")
    if source == "workflow":
        declared = set(workflow.get("inputParameters") or ())
        if rest[:1] == ["input"] and len(rest) > 1 and rest[1] not in declared:
            return "K1-INPUT", f"{rest[1]} is none of the workflow's inputParameters"
        return None
    if source not in uses:
        return "R18", f"no task of this workflow is called {source}"
    known = outputs(uses[source], definitions)
    if rest[:1] == ["output"] and len(rest) > 1 and known is not None and rest[1] not in known:
        return "K1-OUTPUT", f"{uses[source]['name']} gives no {rest[1]}"
    return None


def outputs(use: Definition, definitions: Definitions) -> set[str] | None:
    """Return the names of what a task gives; None where that is not written anywhere."""
    if kind_of(use) == "SIMPLE":
        task = definitions.tasks.get(use["name"])
        return set(task.get("outputKeys") or ()) if task else None
    if kind_of(use) == "SUB_WORKFLOW":
        child = _child(use, definitions)
        return None if child is None else {*_workflow_outputs(child), "subWorkflowId"}
    return None


def _workflow_outputs(workflow: Definition) -> set[str]:
    names = set(workflow.get("outputParameters") or {})
    for use in walk(workflow["tasks"]):
        given = (use.get("inputParameters") or {}).get("workflowOutput")
        if kind_of(use) == "TERMINATE" and isinstance(given, dict):
            names |= set(given)
    return names


def _child(use: Definition, definitions: Definitions) -> Definition | None:
    wanted = use.get("subWorkflowParam") or {}
    return definitions.workflow(wanted.get("name", ""), wanted.get("version"))


def input_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield every input that is given to a task or sub-workflow that takes no such input."""
    for use in walk(workflow["tasks"]):
        if kind_of(use) == "SIMPLE":
            task = definitions.tasks.get(use["name"])
            wanted = None if task is None else task.get("inputKeys") or ()
        elif kind_of(use) == "SUB_WORKFLOW":
            child = _child(use, definitions)
            wanted = None if child is None else child.get("inputParameters") or ()
        else:
            continue
        for name in sorted((use.get("inputParameters") or {}).keys() - set(wanted)) if wanted is not None else ():
            text = f"{use['name']} takes no input {name}"
            yield Finding("K1-INPUT", f"{where}: {use['taskReferenceName']}", text, "remove it, or declare it there")
    declared = set(workflow.get("inputParameters") or ())
    for name in sorted((workflow.get("inputTemplate") or {}).keys() - declared):
        text = f"inputTemplate has a default for {name}, which is none of inputParameters"
        yield Finding("K1-INPUT", where, text, "declare it, or remove the default")
