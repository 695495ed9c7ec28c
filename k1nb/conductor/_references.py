"""Rules for what `${…}` refers to, and for what tasks are given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k1nb.conductor._definitions import Definition, Definitions, branches, child_of, kind_of, walk
from k1nb.conductor._finding import Finding
from k1nb.conductor._keys import FAILURE_INPUT, TASK_FACTS, WORKFLOW_FACTS

_REFERENCE = re.compile(r"\$\{([^{}]+)\}")
_INDEX = re.compile(r"\[[^\]]*\]")


def texts(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def references(value: Any) -> Iterator[str]:
    """Yield the path in every `${…}` of a JSON value."""
    for text in texts(value):
        yield from _REFERENCE.findall(text)


def parts(path: str) -> list[str]:
    """Return the names along a reference's path, without indices."""
    return _INDEX.sub("", path).split(".")


def places(where: str, workflow: Definition) -> Iterator[tuple[str, Any]]:
    """Yield each place of a workflow where references may stand, and its value."""
    for use in walk(workflow["tasks"]):
        yield f"{where}: {use['taskReferenceName']}", _own(use)
    yield f"{where}: outputParameters", workflow.get("outputParameters")


def _own(use: Definition) -> dict[str, Any]:
    return {key: use.get(key) for key in ("inputParameters", "subWorkflowParam", "loopCondition", "items")}


def reference_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield every reference that would resolve to null, for there is no such input, task or output."""
    uses = {use["taskReferenceName"]: use for use in walk(workflow["tasks"])}
    for place, value in places(where, workflow):
        for path in sorted(set(references(value))):
            fault = _fault(path, workflow, uses, definitions)
            if fault:
                yield Finding(fault[0], place, f"${{{path}}} is always null: {fault[1]}", "correct the reference")
        for text in texts(value):
            if "${" in _REFERENCE.sub("", text):
                what = f"{text!r} opens a reference that it does not close, and stays as it is"
                yield Finding("R18", place, what, "close it with }")


def _fault(
    path: str, workflow: Definition, uses: Mapping[str, Definition], definitions: Definitions
) -> tuple[str, str] | None:
    source, fact, name, *_ = *parts(path), "", ""
    known = WORKFLOW_FACTS if source == "workflow" else TASK_FACTS
    if source != "workflow" and source not in uses:
        return "R18", f"no task of this workflow is called {source}"
    if fact and fact not in known:
        return "R18", f"Conductor tells no {fact} of {'an execution' if source == 'workflow' else 'a task'}"
    if source == "workflow":
        if fact == "input" and name and name not in (workflow.get("inputParameters") or ()):
            return "K1-INPUT", f"{name} is none of the workflow's inputParameters"
        return None
    given = outputs(uses[source], definitions)
    if fact == "output" and name and given is not None and name not in given:
        return "K1-OUTPUT", f"{uses[source]['name']} gives no {name}"
    return None


def outputs(use: Definition, definitions: Definitions) -> set[str] | None:
    """Return the names of what a task gives; None where that is not written anywhere."""
    if kind_of(use) == "SIMPLE":
        task = definitions.tasks.get(use["name"])
        return set(task.get("outputKeys") or ()) if task else None
    if kind_of(use) == "SUB_WORKFLOW":
        child = child_of(use, definitions)
        return None if child is None else {*_workflow_outputs(child), "subWorkflowId"}
    return None


def _workflow_outputs(workflow: Definition) -> set[str]:
    names = set(workflow.get("outputParameters") or {})
    for use in walk(workflow["tasks"]):
        given = (use.get("inputParameters") or {}).get("workflowOutput")
        if kind_of(use) == "TERMINATE" and isinstance(given, dict):
            names |= set(given)
    return names


def order_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield every reference to a task that cannot have run before: a later one, or one of another branch."""
    known = {use["taskReferenceName"] for use in walk(workflow["tasks"])}
    for use, before in _before(workflow["tasks"], frozenset()):
        for path in sorted(set(references(_own(use)))):
            source = parts(path)[0]
            if source in known - before:
                place, what = f"{where}: {use['taskReferenceName']}", "it runs later, or in another branch"
                yield Finding("R18", place, f"${{{path}}} is always null: {what}", "refer to what comes before")


def _before(uses: Iterable[Definition], before: frozenset[str]) -> Iterator[tuple[Definition, frozenset[str]]]:
    """Yield each task with the names of those that may have run when it begins."""
    for use in uses:
        below = frozenset(task["taskReferenceName"] for task in walk([use]))
        # A loop comes back to its first task after its last, and its condition is asked then.
        seen = before | below if kind_of(use) == "DO_WHILE" else before
        yield use, seen
        for inside in branches(use).values():
            yield from _before(inside, seen | {use["taskReferenceName"]})
        before |= below


def name_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield every name, path or address with a reference that may be null: it would have the text `null` in it."""
    defaults = workflow.get("inputTemplate") or {}
    for place, value in places(where, workflow):
        for text in sorted(set(texts(value))):
            rest = _REFERENCE.sub("", text)
            if rest and not re.search(r"\s", rest) and any(_nullable(path, defaults) for path in references(text)):
                what = f"{text!r} has the text null in it where a value is missing"
                yield Finding("R17", place, what, "pass the value alone, and let the task function refuse a null")


def _nullable(path: str, defaults: Mapping[str, Any]) -> bool:
    source, fact, name, *_ = *parts(path), "", ""
    if source == "workflow":
        return fact == "input" and name not in defaults
    return fact in ("input", "output")


def failure_input_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield every place of the workflow's failure workflow where all that is read of the input is never given.

    One that reads several names for the same thing, for starts by hand, needs one of them that Conductor gives.
    """
    handler = definitions.workflow(workflow.get("failureWorkflow") or "", workflow.get("failureWorkflowVersion"))
    if handler is None:
        return
    given = {*(workflow.get("inputParameters") or ()), *(handler.get("inputTemplate") or {}), *FAILURE_INPUT}
    for place, value in places(handler["name"], handler):
        read = {name for name in map(_input_name, references(value)) if name}
        if read and not read & given:
            text = f"as failure workflow, {place} reads {', '.join(sorted(read))}, which is never given there"
            mend = f"read workflowId or reason there, or make it an input of {workflow['name']}"
            yield Finding("R16", where, text, mend)


def _input_name(path: str) -> str:
    source, fact, name, *_ = *parts(path), "", ""
    return name if (source, fact) == ("workflow", "input") else ""


def payload_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield every place that passes a whole failed execution on."""
    for place, value in places(where, workflow):
        if any(_input_name(path) == "failedWorkflow" and len(parts(path)) == 3 for path in references(value)):
            text = "failedWorkflow is a whole execution with every input and output"
            yield Finding("R19", place, text, "pass workflowId, and let the task function read what it needs")


def input_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield every input that is given to a task or sub-workflow that takes no such input."""
    for use in walk(workflow["tasks"]):
        wanted = _taken(use, definitions)
        for name in sorted((use.get("inputParameters") or {}).keys() - set(wanted)) if wanted is not None else ():
            text = f"{use['name']} takes no input {name}"
            yield Finding("K1-INPUT", f"{where}: {use['taskReferenceName']}", text, "remove it, or declare it there")
    declared = set(workflow.get("inputParameters") or ())
    for name in sorted((workflow.get("inputTemplate") or {}).keys() - declared):
        text = f"inputTemplate has a default for {name}, which is none of inputParameters"
        yield Finding("K1-INPUT", where, text, "declare it, or remove the default")


def _taken(use: Definition, definitions: Definitions) -> Iterable[str] | None:
    """Return the inputs that a task takes; None where that is not written anywhere."""
    if kind_of(use) == "SIMPLE":
        task = definitions.tasks.get(use["name"])
        return None if task is None else task.get("inputKeys") or ()
    if kind_of(use) == "SUB_WORKFLOW":
        child = child_of(use, definitions)
        return None if child is None else child.get("inputParameters") or ()
    return None
