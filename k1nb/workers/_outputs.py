"""Outputs that are too large for the server: kept in files of the home, with a reference in their place."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from k1nb.errors import StorageError, TerminalFailure
from k1nb.paths import Paths, write_bytes

OUTPUT_LIMIT = 3072 * 1024
"""Bytes of JSON: the server's soft limit for a task's output."""
WORTH_A_FILE = 4096
"""Bytes below which a value is not replaced by a reference."""
REFERENCE = "k1nb_file"
KEPT_FOR = 90 * 24 * 3600.0
"""Seconds that files of outputs and effects are kept, longer than anybody retries an execution."""


class Outputs:
    """The folder of large outputs."""

    def __init__(self, paths: Paths) -> None:
        self._folder = paths.outputs

    def fit(self, task_id: str, output: dict[str, Any]) -> dict[str, Any]:
        """Return the output, its largest values moved into files until the server takes it.

        What stands in a value's place is {"k1nb_file": path, "bytes": size, "sha256": sum}; the file holds the
        value as JSON and is named by the task and the key. Raises StorageError, and TerminalFailure for an output
        that is large by many small values.
        """
        size = len(to_json(output))
        if size <= OUTPUT_LIMIT:
            return output
        fitting = dict(output)
        sizes = {key: len(to_json(value)) for key, value in output.items()}
        for key in sorted(sizes, key=lambda key: -sizes[key]):
            if size <= OUTPUT_LIMIT or sizes[key] < WORTH_A_FILE:
                break
            fitting[key] = self._keep(task_id, key, output[key])
            size += len(to_json(fitting[key])) - sizes[key]
        if size > OUTPUT_LIMIT:
            raise TerminalFailure(
                f"the output of task {task_id} has {size >> 10:,} KB in small values, more than the "
                f"{OUTPUT_LIMIT >> 10:,} KB that the server takes",
                hint="put them into one value, which then goes into a file",
            )
        return fitting

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return an input with the values that its references stand for; raises TerminalFailure where one is broken."""
        return {key: self._read(key, value) if _is_reference(value) else value for key, value in given.items()}

    def _keep(self, task_id: str, key: str, value: Any) -> dict[str, Any]:
        data = to_json(value)
        file = self._folder / f"{_plain(task_id)}-{_plain(key)}.json"
        write_bytes(file, data)
        return {REFERENCE: str(file), "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _read(self, key: str, reference: Mapping[str, Any]) -> Any:
        file = Path(str(reference[REFERENCE]))
        if file.parent != self._folder or file.is_symlink():
            raise TerminalFailure(
                f"the input {key} refers to {file}, which is none of this home's outputs",
                hint="a large output is readable only by workers of the home that made it",
            )
        try:
            data = file.read_bytes()
        except OSError as error:
            raise TerminalFailure(f"the input {key} refers to {file}: {error.strerror or error}") from error
        if hashlib.sha256(data).hexdigest() != reference.get("sha256"):
            raise TerminalFailure(f"the input {key} refers to {file}, whose sha256 is another one by now")
        return from_json(data)


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and REFERENCE in value


def _plain(name: str) -> str:
    """Return a name that a file may bear; two names never become the same."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)[:100]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def prune(paths: Paths) -> int:
    """Remove what is older than KEPT_FOR from the folders of outputs and effects; return how many files."""
    limit, removed = time.time() - KEPT_FOR, 0
    try:
        for folder in (paths.outputs, paths.effects):
            for file in folder.glob("*"):
                if file.stat().st_mtime < limit:
                    file.unlink(missing_ok=True)
                    removed += 1
    except OSError as error:
        raise StorageError(
            f"cannot remove old files of the workers: {error}", hint="remove them by hand, or mend the folder's rights"
        ) from error
    return removed
