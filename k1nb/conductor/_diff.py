"""What differs between the definitions of the files and those of a server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from k1nb.conductor._definitions import Definition, Definitions, Key, task_subject, workflow_subject
from k1nb.conductor._normal import essential, normal, normal_task, normal_workflow

SHOWN = 60
"""Characters of a value that one line shows."""
_LISTS = frozenset({"tasks", "defaultCase", "loopOver"})
"""Keys with a list of tasks; those of cases and forks are lists of tasks as well."""


class Kind(StrEnum):
    """How a definition of the files and the server's differ."""

    ADDED = "added"
    CHANGED = "changed"
    ONLY_ON_SERVER = "only on the server"


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for a value that is not there; null is a value."""


MISSING = Missing()


@dataclass(frozen=True, slots=True)
class Edit:
    """One value that differs: the server's is old, that of the file new."""

    path: str
    """Keys from the definition to the value; a task stands there by its reference name."""
    old: Any
    new: Any

    def __str__(self) -> str:
        """Return `path: old → new`, each value shortened to where they differ."""
        return f"{self.path}: {' → '.join(_shortened(_written(self.old), _written(self.new)))}"

    def as_dict(self) -> dict[str, Any]:
        """Return the change as JSON-able data; a value that is not there has no key."""
        values = {"old": self.old, "new": self.new}
        there = {name: value for name, value in values.items() if value is not MISSING}
        return {"path": self.path, **there}


@dataclass(frozen=True, slots=True)
class Difference:
    """One definition that files and server do not have alike."""

    subject: str
    kind: Kind
    changes: tuple[Edit, ...] = ()
    matters: bool = True
    """Whether executions run otherwise by it; a description changes nothing of them."""

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON-able data."""
        changes = [change.as_dict() for change in self.changes]
        return {"subject": self.subject, "kind": self.kind.value, "matters": self.matters, "changes": changes}


def diff(
    definitions: Definitions,
    server_tasks: Iterable[Mapping[str, Any]],
    server_workflows: Iterable[Mapping[str, Any]],
) -> list[Difference]:
    """Return what differs, tasks first, by name; what only the server has comes last.

    Defaults that the server writes out are no difference; a key that the files leave out and the server has
    otherwise is one.
    """
    wanted: dict[str, Definition] = {task_subject(n): t for n, t in sorted(definitions.tasks.items())}
    wanted |= {workflow_subject(k): w for k, w in sorted(definitions.workflows.items())}
    there = by_subject(server_tasks, server_workflows)
    found = []
    for subject, definition in wanted.items():
        if subject not in there:
            found.append(Difference(subject, Kind.ADDED))
        elif changes := tuple(_changes((), there[subject], normal(definition))):
            matters = _json(essential(there[subject])) != _json(essential(normal(definition)))
            found.append(Difference(subject, Kind.CHANGED, changes, matters))
    return found + [Difference(subject, Kind.ONLY_ON_SERVER) for subject in sorted(there.keys() - wanted.keys())]


def by_subject(
    server_tasks: Iterable[Mapping[str, Any]], server_workflows: Iterable[Mapping[str, Any]]
) -> dict[str, Definition]:
    """Return a server's definitions in their normal form by subject."""
    found = {task_subject(task["name"]): normal_task(task) for task in server_tasks}
    return found | {workflow_subject(key_of(workflow)): normal_workflow(workflow) for workflow in server_workflows}


def key_of(workflow: Mapping[str, Any]) -> Key:
    """Return name and version of a server's workflow definition."""
    return workflow["name"], workflow.get("version", 1)


def _changes(path: tuple[str, ...], old: Any, new: Any) -> Iterator[Edit]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in (*new, *(key for key in old if key not in new)):
            yield from _changes((*path, key), old.get(key, MISSING), new.get(key, MISSING))
    elif _are_tasks(path, old) and _are_tasks(path, new):
        yield from _task_changes(path, _by_reference(old), _by_reference(new))
    elif path[-1] == "forkTasks" and isinstance(old, list) and isinstance(new, list):
        yield from _changes(path, _by_number(old), _by_number(new))
    elif _json(old) != _json(new):
        yield Edit(".".join(path), old, new)


def _are_tasks(path: tuple[str, ...], value: Any) -> bool:
    """Tell whether a value is a list of tasks, each with a reference name of its own."""
    inside = path[-1] in _LISTS or path[-2:-1] in (("decisionCases",), ("forkTasks",))
    if not inside or not isinstance(value, list):
        return False
    return all(isinstance(use, dict) for use in value) and len(_by_reference(value)) == len(value)


def _by_number(forks: list[Any]) -> dict[str, Any]:
    return {str(number): tasks for number, tasks in enumerate(forks, 1)}


def _by_reference(uses: list[Definition]) -> dict[str, Definition]:
    return {str(use.get("taskReferenceName")): use for use in uses}


def _task_changes(path: tuple[str, ...], old: dict[str, Definition], new: dict[str, Definition]) -> Iterator[Edit]:
    before, after = [name for name in old if name in new], [name for name in new if name in old]
    if before != after:
        yield Edit(".".join((*path, "order")), before, after)
    yield from _changes(path, old, new)


def _json(value: Any) -> str:
    return "" if value is MISSING else json.dumps(value, sort_keys=True, ensure_ascii=False)


def _written(value: Any) -> str:
    if value is MISSING:
        return "(nothing)"
    if isinstance(value, dict) and "taskReferenceName" in value:
        return f"({value.get('type', 'SIMPLE')} task {value.get('name')})"
    if isinstance(value, list) and value and all(isinstance(use, dict) and "taskReferenceName" in use for use in value):
        return f"(tasks {', '.join(_by_reference(value))})"
    return json.dumps(value, ensure_ascii=False)


def _shortened(old: str, new: str) -> tuple[str, str]:
    """Cut two texts to what one line shows, from shortly before the first character that differs."""
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    begin = max(0, same - SHOWN // 3) if max(len(old), len(new)) > SHOWN else 0
    return _cut(old, begin), _cut(new, begin)


def _cut(text: str, begin: int) -> str:
    head, tail = "…" if begin else "", "…" if len(text) > begin + SHOWN else ""
    return f"{head}{text[begin : begin + SHOWN]}{tail}"
