"""Executed notebooks that come from elsewhere join their record."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from k1nb.checks import Verdict, spelt
from k1nb.config import Settings
from k1nb.errors import RecordError, StorageError
from k1nb.records._archive import LOST, Archive, run_ids
from k1nb.records._notebook import outputs, read_notebook, unexpected_error, words
from k1nb.records._record import Manifest, Record, id_of_bytes, wrong_field
from k1nb.records._redaction import redacted_notebook
from k1nb.records._run import MIME
from k1nb.records._staging import Staging

NEVER = "the notebook never concluded"
_AHEAD = timedelta(minutes=5)
"""How far the clock of the machine that it ran on may be ahead of ours."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""What a machine takes the time for that does not know it."""
_LONGEST = 200


def import_notebook(settings: Settings, file: Path) -> Record:
    """Add an executed notebook to its run's record, redacted; make the record where there is none.

    One that broke after it had concluded takes a verdict that passes back.

    The run's manifest is found in the notebook's outputs; a record that is made of it says that it was imported. A
    notebook that never concluded becomes INTERRUPTED. The same notebook may be imported again. Raises StorageError
    or RecordError, also for one that was never executed, and for what cannot have been: a run that ends before it
    begins, or begins in the future.
    """
    executed = read_notebook(file)
    _refuse_unexecuted(file, executed)
    staging = Staging(settings)
    manifest = carried(executed) or _nameless(file, executed)
    if manifest.verdict is Verdict.INTERRUPTED:
        manifest = manifest.changed(reason=manifest.reason or NEVER)
    error = unexpected_error(executed, passed=manifest.passes)
    untold = manifest.passes or manifest.verdict is Verdict.INTERRUPTED
    reason = words(error.ename, error.evalue) if error and untold else ""
    staging.sweep()
    if manifest.run not in run_ids(settings.paths):
        _refuse_impossible(manifest, datetime.now(UTC))
        return staging.adopt(manifest.foreign(_bytes(file)), executed, reason)
    record = Archive(settings.paths).get(manifest.run)
    return _join(settings, staging, record, manifest, executed, reason)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}", hint="give a file that is there") from error


def _refuse_unexecuted(file: Path, executed: Any) -> None:
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    if any(cell.get("execution_count") or cell.get("outputs") for cell in cells):
        return
    if executed.metadata.get("papermill", {}).get("start_time"):
        return
    raise RecordError(f"{file} was never executed: it has no outputs", hint="import what papermill or Jupyter wrote")


def _refuse_impossible(manifest: Manifest, now: datetime) -> None:
    """Raise RecordError for what a notebook says of itself and what no run can have been, or no record can keep."""
    name, began, ended = manifest.notebook, manifest.started_at, manifest.ended_at
    if not name.isprintable() or not name.strip() or len(name) > _LONGEST or re.search(r"[/\\]", name):
        raise _impossible("notebook", name, f"the name of a file, at most {_LONGEST} printable letters and no slash")
    for field, when in (("started_at", began), ("ended_at", ended)):
        if when is not None and not _FIRST <= when <= now + _AHEAD:
            raise _impossible(field, when, f"a time from 1970 until now, {now:%Y-%m-%d %H:%M:%S} UTC")
    if manifest.clock_set_back:
        raise _impossible("ended_at", ended, f"a time after started_at, {began}")
    try:
        json.dumps(manifest.parameters, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise _impossible("parameters", manifest.parameters, f"text in UTF-8 and finite numbers: {error}") from None


def _impossible(field: str, value: object, wanted: str) -> RecordError:
    told = value.isoformat() if isinstance(value, datetime) else f"{value!r:.200}"
    return RecordError(
        f"the notebook says of its run {field} {told}, but wanted is {wanted}",
        hint="import the file as it was saved where it ran; under a clock that is wrong, run it again",
    )


def _join(
    settings: Settings, staging: Staging, record: Record, manifest: Manifest, executed: Any, reason: str
) -> Record:
    if record.running:
        raise RecordError(f"run {record.id} is still under way", hint="save and import its notebook when it has ended")
    if manifest.verdict is not record.verdict and not record.executed:
        raise RecordError(
            f"the notebook says {manifest.verdict} of run {record.id}, its record says {record.verdict}",
            hint="save the notebook again after its last cell has run; otherwise the record is right",
        )
    if record.manifest.pruned:
        raise RecordError(f"the files of record {record.id} were pruned", hint="its manifest stays as it is")
    if record.executed is None:
        known = record.verdict is Verdict.INTERRUPTED and not record.reason.startswith(LOST)
        return staging.join(record, executed, "" if known else reason)
    if _work(read_notebook(record.executed)) != _work(redacted_notebook(executed, settings.redact)):
        raise RecordError(
            f"record {record.id} already holds another executed notebook", hint=f"compare with {record.executed}"
        )
    return record


def _work(notebook: Any) -> list[tuple[str, Any]]:
    """Return what makes two executed notebooks the same: code and its outputs, not what tools note around them."""
    return [(c.source, c.get("outputs", [])) for c in notebook.cells if c.cell_type == "code"]


def carried(executed: Any) -> Manifest | None:
    """Return the manifest that an executed notebook carries: that of its newest run, concluded if it did.

    Raises RecordError where what it carries is no manifest, or a verdict that does not follow from its checks.
    """
    found = [_manifest(output["data"][MIME]) for output in outputs(executed) if MIME in output.get("data", {})]
    return max(found, key=lambda m: (m.started_at, m.verdict is not Verdict.INTERRUPTED), default=None)


def _manifest(data: Any) -> Manifest:
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        raise RecordError(
            f"the notebook carries no valid manifest: {wrong_field(error)}", hint="import the file as it was saved"
        ) from None
    if not manifest.honest:
        raise RecordError(
            f"the notebook says {manifest.verdict} of run {manifest.run}, but its checks add up to something else",
            hint="import the file as it was saved",
        )
    return manifest


def _nameless(file: Path, executed: Any) -> Manifest:
    """Describe a notebook that broke before it connected, from what papermill noted in it."""
    noted = executed.metadata.get("papermill", {})
    started = _time(noted.get("start_time")) or datetime.fromtimestamp(file.stat().st_mtime, UTC)
    name = spelt(Path(noted.get("input_path") or file).stem)
    parameters = noted.get("parameters") or {}
    return Manifest(
        run=id_of_bytes(name, started, file.read_bytes()),
        notebook=name,
        started_at=started,
        ended_at=_time(noted.get("end_time")),
        parameters=dict(parameters) if isinstance(parameters, dict) else {},
    )


def _time(text: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text)
        return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
