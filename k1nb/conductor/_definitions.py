"""Workflow and task definitions, as the files have them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from k1nb.errors import DefinitionError
from k1nb.paths import share

Definition = dict[str, Any]
"""One definition in Conductor's JSON."""
Key = tuple[str, int]
"""Name and version of a workflow definition."""


@dataclass(frozen=True)
class Definitions:
    """Task definitions by name, workflow definitions by name and version."""

    tasks: dict[str, Definition] = field(default_factory=dict)
    workflows: dict[Key, Definition] = field(default_factory=dict)

    def workflow(self, name: object, version: object = None) -> Definition | None:
        """Return a workflow definition, the newest version unless one is given; None where there is none.

        What is no name or no version, as a file may have it, names nothing.
        """
        if version is None:
            version = max((v for n, v in self.workflows if n == name), default=0)
        return self.workflows.get((name, version)) if isinstance(name, str) and isinstance(version, int) else None

    def over(self, others: Definitions) -> Definitions:
        """Return these definitions and, where these have none of the same name and version, the others."""
        return Definitions({**others.tasks, **self.tasks}, {**others.workflows, **self.workflows})

    def subjects(self) -> list[str]:
        """Return what findings, differences and plans call each definition, tasks first."""
        return [*map(task_subject, self.tasks), *map(workflow_subject, self.workflows)]

    def task_types(self) -> set[str]:
        """Return the task types that the workflows need a worker for."""
        uses = (use for workflow in self.workflows.values() for use in walk(workflow["tasks"]))
        return {use["name"] for use in uses if kind_of(use) == "SIMPLE"}

    def with_delays(self, factor: float) -> Definitions:
        """Return these definitions with the delays before retries multiplied; tests register such copies."""
        tasks = {name: {**task, **_scaled(task, factor)} for name, task in self.tasks.items()}
        return Definitions(tasks, self.workflows)


def _scaled(task: Definition, factor: float) -> Definition:
    return {key: round(task[key] * factor) for key in ("retryDelaySeconds", "maxRetryDelaySeconds") if key in task}


def load(folder: Path | None = None) -> Definitions:
    """Read `tasks/*.json` and `workflows/*.json` below `folder`, by default the shipped ones.

    A file of tasks holds one definition or a list of them, a file of workflows one. Raises DefinitionError that
    names file and line where a file is no JSON, lacks what makes it a definition, or defines a thing again.
    """
    folder = folder or share("data")
    tasks: dict[str, Definition] = {}
    workflows: dict[Key, Definition] = {}
    for file in sorted((folder / "tasks").glob("*.json")):
        source = _Source(file)
        content = source.read()
        for task in content if isinstance(content, list) else [content]:
            name = source.text_of(source.object_of(task, "a task definition"), "name")
            source.new(name, tasks, task_subject(name))
            tasks[name] = task
    for file in sorted((folder / "workflows").glob("*.json")):
        source = _Source(file)
        workflow = source.object_of(source.read(), "a workflow definition")
        source.check_workflow(workflow)
        key = (workflow["name"], workflow["version"])
        source.new(key, workflows, workflow_subject(key))
        workflows[key] = workflow
    if not tasks and not workflows:
        raise DefinitionError(f"no definitions are in {folder}", hint="it needs folders tasks and workflows")
    return Definitions(tasks, workflows)


def kind_of(use: Mapping[str, Any]) -> str:
    """Return the type of a task as used in a workflow; Conductor takes SIMPLE where none is given."""
    return str(use.get("type") or "SIMPLE")


def branches(use: Mapping[str, Any]) -> dict[str, list[Definition]]:
    """Return the task lists inside a task: `case x` and `default`, `fork 1`, `loop`."""
    inside = {f"case {name}": tasks for name, tasks in (use.get("decisionCases") or {}).items()}
    if use.get("defaultCase"):
        inside["default"] = use["defaultCase"]
    inside |= {f"fork {number}": tasks for number, tasks in enumerate(use.get("forkTasks") or (), 1)}
    if use.get("loopOver"):
        inside["loop"] = use["loopOver"]
    return inside


def child_of(use: Mapping[str, Any], definitions: Definitions) -> Definition | None:
    """Return the definition of the workflow that a SUB_WORKFLOW starts; None where it is not there."""
    wanted = use.get("subWorkflowParam")
    return definitions.workflow(wanted.get("name"), wanted.get("version")) if isinstance(wanted, dict) else None


def task_subject(name: str) -> str:
    """Return how findings, differences and plans name a task definition."""
    return f"task {name}"


def workflow_subject(key: Key) -> str:
    """Return how findings, differences and plans name a workflow definition."""
    return f"workflow {key[0]} v{key[1]}"


def walk(uses: Iterable[Definition]) -> Iterator[Definition]:
    """Yield every task of a workflow, depth first, those of all branches included."""
    for use in uses:
        yield use
        for inside in branches(use).values():
            yield from walk(inside)


class _Source:
    """One file, and the errors that name a line of it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._text = ""

    def read(self) -> Any:
        try:
            if not self._file.is_file():  # a pipe would be waited for without end
                raise DefinitionError(f"{self._file} is no regular file", hint="remove it, or put a file in its place")
            self._text = self._file.read_text(encoding="utf-8")
            return json.loads(self._text, object_pairs_hook=self._unique)
        except json.JSONDecodeError as error:
            raise self._error(error.lineno, f"this is no JSON: {error.msg}") from None
        except (OSError, ValueError, RecursionError) as error:  # no UTF-8, or a number of thousands of digits
            raise DefinitionError(f"{self._file} cannot be read: {error}", hint="mend or remove the file") from None

    def object_of(self, value: Any, what: str) -> Definition:
        if isinstance(value, dict):
            return value
        raise self._error(1, f"{what} is a JSON object, not {type(value).__name__}")

    def text_of(self, value: Definition, key: str) -> str:
        text = value.get(key)
        if isinstance(text, str) and text:
            return text
        near = next((v for k, v in value.items() if k in ("name", "taskReferenceName") and isinstance(v, str)), key)
        raise self._error(self._line(near), f"{key!r} must be a text that is not empty, not {text!r}")

    def new(self, key: object, known: Mapping[Any, Definition], what: str) -> None:
        if key in known:
            raise self._error(1, f"{what} is defined in another file already")

    def check_workflow(self, workflow: Definition) -> None:
        """Refuse what cannot even be walked; lint judges the rest."""
        name = self.text_of(workflow, "name")
        version = workflow.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise self._error(self._line(name), f"'version' of {name} must be a whole number from 1, not {version!r}")
        self._check_uses(name, workflow.get("tasks"), "tasks")

    def _check_uses(self, owner: str, uses: Any, key: str) -> None:
        if not isinstance(uses, list) or not all(isinstance(use, dict) for use in uses):
            raise self._error(self._line(owner), f"{key!r} of {owner} must be a list of tasks")
        for use in uses:
            self.text_of(use, "name")
            self._check_use(self.text_of(use, "taskReferenceName"), use)

    def _check_use(self, reference: str, use: Definition) -> None:
        cases, forks = use.get("decisionCases") or {}, use.get("forkTasks") or []
        for key, kind in (("decisionCases", dict), ("forkTasks", list), ("inputParameters", dict)):
            if not isinstance(use.get(key) or kind(), kind):
                what = "JSON object" if kind is dict else "list"
                raise self._error(self._line(reference), f"{key!r} of {reference} must be a {what}")
        for tasks in (*cases.values(), *forks, use.get("defaultCase") or [], use.get("loopOver") or []):
            self._check_uses(reference, tasks, "the tasks of a branch")

    def _unique(self, pairs: list[tuple[str, Any]]) -> Definition:
        value = dict(pairs)
        if len(value) < len(pairs):
            twice = next(key for n, (key, _) in enumerate(pairs) if key in dict(pairs[:n]))
            raise self._error(self._line(twice, last=True), f"{twice!r} is given twice in one object")
        return value

    def _line(self, word: str, *, last: bool = False) -> int:
        quoted = json.dumps(word, ensure_ascii=False)
        at = self._text.rfind(quoted) if last else self._text.find(quoted)
        return self._text.count("\n", 0, max(at, 0)) + 1

    def _error(self, line: int, text: str) -> DefinitionError:
        return DefinitionError(f"{self._file}:{line}: {text}", hint="mend the file; `k1nb definitions lint` checks it")
