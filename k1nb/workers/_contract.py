"""Definitions held against the task functions that serve them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from k1nb import conductor
from k1nb.conductor import Definitions, Finding, load
from k1nb.paths import share
from k1nb.timings import Timings
from k1nb.workers._registry import all_tasks, own_tasks
from k1nb.workers._task import TaskFunction

Definition = dict[str, Any]


def lint_folder(folder: Path | None = None) -> tuple[Definitions, list[Finding]]:
    """Read the definitions of a folder, by default the shipped ones, and return them and all that lint finds.

    Those of another folder may refer to the shipped ones, and need not be all that our workers serve. Raises
    DefinitionError where a file is none.
    """
    definitions = load(folder)
    if folder is None or folder.resolve() == share("data").resolve():
        return definitions, [*conductor.lint(definitions), *lint(definitions)]
    partly = [finding for finding in lint(definitions) if finding.subject.removeprefix("task ") in definitions.tasks]
    return definitions, [*conductor.lint(definitions, load()), *partly]


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
    inputs, outputs = _names(definition, "inputKeys"), _names(definition, "outputKeys")
    fields = function.input_model.model_fields
    required = {key for key, field in fields.items() if field.is_required()}
    for key in sorted(inputs - fields.keys()):
        yield _finding(name, f"inputKeys names {key}, which its worker does not read", "remove the key")
    for key in sorted(required - inputs):
        yield _finding(name, f"its worker needs {key}, which inputKeys does not name", "add the key")
    for key in sorted(outputs ^ function.output_model.model_fields.keys()):
        where = "outputKeys" if key in outputs else "its worker's output"
        yield _finding(name, f"{key} is in {where} alone", "let outputKeys and the output model agree")
    yield from _heartbeat(name, definition)


def _names(definition: Definition, key: str) -> set[str]:
    """Return a definition's list of names; lint of the definitions says what is wrong with another value."""
    value = definition.get(key)
    return {name for name in value if isinstance(name, str)} if isinstance(value, list) else set()


def _heartbeat(name: str, definition: Definition) -> Iterator[Finding]:
    """Yield a lease that one late heartbeat would lose."""
    lease, least = definition.get("responseTimeoutSeconds"), 2 * Timings().heartbeat
    if isinstance(lease, int) and not isinstance(lease, bool) and lease < least:
        text = f"responseTimeoutSeconds {lease} leaves no room for two heartbeats of {Timings().heartbeat:g} s"
        yield Finding("K1-HEARTBEAT", f"task {name}", text, f"set it to {least:g} or more")


def _finding(name: str, text: str, mend: str) -> Finding:
    return Finding("K1-WORKER", f"task {name}", text, mend)
