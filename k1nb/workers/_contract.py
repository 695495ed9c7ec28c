"""Definitions held against the task functions that serve them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from k1nb.conductor import Definitions, Finding
from k1nb.workers._registry import all_tasks, own_tasks
from k1nb.workers._task import TaskFunction


def lint(definitions: Definitions, functions: Iterable[TaskFunction[Any, Any]] | None = None) -> list[Finding]:
    """Return what differs between the task definitions and the models of the functions, by default all of ours."""
    served = {function.name: function for function in (all_tasks() if functions is None else functions)}
    findings = [finding for name in sorted(definitions.tasks) for finding in _findings(name, definitions, served)]
    # What an installed package serves is defined with that package, not among the shipped definitions.
    ours = {function.name for function in own_tasks()} if functions is None else served.keys()
    undefined = sorted((served.keys() & ours) - definitions.tasks.keys())
    text = "a worker serves it, but no definition names it"
    return [*findings, *(_finding(name, text, f"add data/tasks/{name}.json") for name in undefined)]


def _findings(name: str, definitions: Definitions, served: dict[str, TaskFunction[Any, Any]]) -> Iterator[Finding]:
    function = served.get(name)
    if function is None:
        yield _finding(name, "no worker serves it, so it would stay SCHEDULED for ever", "write its task function")
        return
    definition = definitions.tasks[name]
    inputs, outputs = set(definition.get("inputKeys") or ()), set(definition.get("outputKeys") or ())
    fields = function.input_model.model_fields
    required = {key for key, field in fields.items() if field.is_required()}
    for key in sorted(inputs - fields.keys()):
        yield _finding(name, f"inputKeys names {key}, which its worker does not read", "remove the key")
    for key in sorted(required - inputs):
        yield _finding(name, f"its worker needs {key}, which inputKeys does not name", "add the key")
    for key in sorted(outputs ^ function.output_model.model_fields.keys()):
        where = "outputKeys" if key in outputs else "its worker's output"
        yield _finding(name, f"{key} is in {where} alone", "let outputKeys and the output model agree")


def _finding(name: str, text: str, mend: str) -> Finding:
    return Finding("K1-WORKER", f"task {name}", text, mend)
