"""The end of a run under our engine: what broke it, said in the notebook, and the record moved in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from k1nb.checks import Verdict
from k1nb.errors import RecordError, StorageError
from k1nb.records._archive import broken
from k1nb.records._nbformat import nbformat
from k1nb.records._notebook import NOTE, outputs, unexpected_error, words
from k1nb.records._record import NOTEBOOK, Manifest, Record
from k1nb.records._run import MIME
from k1nb.records._staging import KERNEL_LOG, RESERVE, Staging
from k1nb.records._tidy import remove

ENDED = "the notebook ended before its last cell concluded it"
DISHONEST = "its verdict does not follow from its checks"
_SAID = {"SystemExit": "left the notebook by ", "KeyboardInterrupt": "was interrupted: "}


def why(notebook: Any, left: Manifest, raised: str) -> tuple[str, bool]:
    """Return what broke a run, empty where nothing did, and whether somebody else raises an error for it."""
    if raised:
        return raised, True
    error = unexpected_error(notebook, passed=left.passes)
    if error:
        said = _SAID.get(error.ename, "") + words(error.ename, error.evalue)
        return f"cell {last_started(notebook)}: {said}", error.ename != "SystemExit"
    if left.ended_at is None:
        return ENDED, False
    said = _concluded(notebook, left.run)
    if said not in ("", left.verdict):
        return f"its last cell said {said}, its record says {left.verdict}", False
    return ("", True) if left.honest else (DISHONEST, False)


def _concluded(notebook: Any, run: str) -> str:
    """Return the verdict that a run's notebook shows; empty where it shows none."""
    carried = (output.get("data", {}).get(MIME) for output in outputs(notebook))
    said = [str(found.get("verdict", "")) for found in carried if isinstance(found, dict) and found.get("run") == run]
    return next((verdict for verdict in reversed(said) if verdict != Verdict.INTERRUPTED), "")


def last_started(notebook: Any) -> int:
    """Return the number of the cell that ran last, counted from 1; papermill calls the later ones completed as well."""
    started = [n for n, c in enumerate(notebook.cells, 1) if c.metadata.get("papermill", {}).get("start_time")]
    return started[-1] if started else 0


def seconds(notebook: Any) -> tuple[float | None, ...]:
    """Return how long each cell took, as papermill has noted it; None for one that is no code or did not run."""
    return tuple(
        cell.metadata.get("papermill", {}).get("duration") if cell.cell_type == "code" else None
        for cell in notebook.cells
    )


def mark(notebook: Any, manifest: Manifest) -> None:
    """Write a run's verdict into its notebook's metadata; one that broke gets a last cell that says so as well."""
    notebook.metadata["k1nb"] = {
        "run": manifest.run,
        "verdict": str(manifest.verdict),
        "reason": manifest.reason,
    }
    notebook.cells = [cell for cell in notebook.cells if NOTE not in cell.metadata.get("tags", ())]
    if manifest.verdict is Verdict.INTERRUPTED and manifest.reason:
        text = f"## INTERRUPTED\n\nThis run is no answer: {manifest.reason}\n\n`k1nb records show {manifest.run}`"
        cell = nbformat().v4.new_markdown_cell(text, id="k1nb-interrupted", metadata={"tags": [NOTE], "papermill": {}})
        notebook.cells.append(cell)


def close(staging: Staging, record: Record, notebook: Any, reason: str) -> Record:
    """Move a run's record in with its notebook, or without it where there is no room for that; then it says so.

    Raises StorageError where not even that is possible: the run stays staged, and the next start moves it in.
    """
    record = staging.staged(record.id)  # the kernel has written into it since
    manifest = record.manifest
    mark(notebook, broken(manifest, reason))
    remove(record.folder / RESERVE)
    try:
        staging.update(record, cell_seconds=seconds(notebook))
        return staging.settle(record, executed=notebook, reason=reason)
    except StorageError as error:
        if staging.sealed(record):  # it could only not be moved; the next start does that
            raise
        _make_room(record.folder)
        told = "; ".join(filter(None, (reason, f"its notebook could not be kept: {error.message}")))
        mark(notebook, broken(manifest, told))
        return staging.settle(record, reason=told)


def _make_room(folder: Path) -> None:
    for file in (folder / NOTEBOOK, folder / KERNEL_LOG, *folder.glob(".*.tmp")):
        remove(file)


def untold(settled: Record) -> RecordError:
    """Return the error for a run that nobody else says of that it did not conclude."""
    return RecordError(
        f"run {settled.id} is {settled.verdict}: {settled.reason}", hint=f"k1nb records show {settled.id}"
    )
