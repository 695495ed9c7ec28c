"""Write a server's definitions as files, as they are kept in a repository."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from k1nb.conductor._client import Conductor
from k1nb.conductor._normal import text_of
from k1nb.errors import StorageError, UnknownName, UsageError
from k1nb.paths import write_text


@dataclass(frozen=True, slots=True)
class Exported:
    """One file of an export."""

    file: Path
    written: bool
    """False where it had this very text already."""


def export_definitions(
    conductor: Conductor, folder: Path, names: Collection[str] = (), *, overwrite: bool = False
) -> list[Exported]:
    """Write the server's task and workflow definitions below `folder`, all or those of the given names.

    Defaults are left out, so that what was applied from files comes back as it was, byte for byte. The newest version
    of a workflow is in the file of its name, an older one in `NAME.v1.json`. Raises UnknownName for a name that the
    server does not have, UsageError where a file says something else already, unless `overwrite`; StorageError where
    a file cannot be written, and ConductorError. Nothing is written where anything but the disk speaks against it.
    """
    tasks, workflows = conductor.task_definitions(), conductor.workflow_definitions()
    missing = sorted(set(names) - {definition["name"] for definition in (*tasks, *workflows)})
    if missing:
        raise UnknownName(f"the server has no definition {', '.join(missing)}", hint="k1nb definitions diff lists them")
    texts = {
        folder / file: text_of(definition)
        for file, definition in _files(tasks, workflows)
        if not names or definition["name"] in names
    }
    old = {file: _read(file) for file in texts}
    others = [str(file) for file, text in texts.items() if old[file] not in (None, text)]
    if others and not overwrite:
        raise UsageError(
            f"{', '.join(others)} would be overwritten", hint="export into another folder, or consent with --overwrite"
        )
    for file, text in texts.items():
        if old[file] != text:
            write_text(file, text, mode=0o644)
    return [Exported(file, old[file] != text) for file, text in texts.items()]


def _files(
    tasks: Iterable[Mapping[str, Any]], workflows: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for task in sorted(tasks, key=lambda task: str(task["name"])):
        yield f"tasks/{_safe(task['name'])}.json", task
    newest: dict[str, int] = {}
    for workflow in sorted(workflows, key=lambda w: (w["name"], -w.get("version", 1))):
        name, version = workflow["name"], workflow.get("version", 1)
        old = "" if newest.setdefault(name, version) == version else f".v{version}"
        yield f"workflows/{_safe(name)}{old}.json", workflow


def _safe(name: str) -> str:
    """Return a name as a file's name; a slash or a colon cannot be in one everywhere."""
    return quote(name, safe="")


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"cannot read {file}: {error}", hint="remove it, or export into another folder") from error
