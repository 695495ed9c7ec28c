"""Going on after a broken run: the same notebook, the same parameters, and a record that names the old one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from k1nb.checks import Verdict
from k1nb.config import Settings
from k1nb.errors import K1Error, ParameterError, RecordError, StorageError, UnknownName, UsageError
from k1nb.paths import private
from k1nb.records._archive import Archive
from k1nb.records._notebook import (
    PARAMETERS,
    find_notebook,
    read_notebook,
    read_template,
    shipped,
    source_sum,
    tagged,
)
from k1nb.records._parameters import declared
from k1nb.records._record import NOTEBOOK, Record
from k1nb.secrets import MASK

CONSENT = "apply"
"""Parameter of a notebook that has effects: the id of the plan that is consented to."""


_REFUSED = re.compile(r"cell \d+: (UsageError|ParameterError|UnknownName|CommitError|ConsentError): ")
"""The reason of a run that broke because of what it was given."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a broken run is resumed with."""

    run: str
    file: Path
    parameters: dict[str, Any]


def resumption(settings: Settings, run: str) -> Resumption:
    """Return what it takes to go on after a broken run, named by its id or a part of it.

    A shipped notebook that has become another one since, as with a newer k1nb, is run as it is now; any other file
    must be the one that was run. Raises UnknownName, UsageError for a run that is under way or has concluded or whose
    notebook has changed, and ParameterError where a parameter was masked in its record.
    """
    record = Archive(settings.paths).get(run)
    if record.running:
        raise UsageError(f"run {record.id} is under way", hint="wait for its end, or stop it with Ctrl-C where it runs")
    if record.verdict is not Verdict.INTERRUPTED:
        raise UsageError(
            f"run {record.id} has concluded: {record.verdict}", hint=f"begin another: k1nb run {record.notebook}"
        )
    masked = next((name for name, value in record.parameters.items() if MASK in str(value)), None)
    if masked:
        raise ParameterError(
            f"parameter {masked} of run {record.id} was a secret, and its record does not have it",
            hint=f"begin another: k1nb run {record.notebook} -p {masked}=…",
        )
    return Resumption(record.id, _file(record), dict(record.parameters))


def way_on(record: Record) -> str:
    """Return what to do after a broken run: to resume it, unless that gives the notebook again what it has refused."""
    if _REFUSED.match(record.reason):
        return f"give it what it wants, --resume gives it the same again: {_same_words(record)}"
    return f"go on with k1nb run --resume {record.id}"


def _same_words(record: Record) -> str:
    """Return the command that a run was begun with, to be corrected: without consent, secrets and what is default."""
    notebook = record.notebook if record.notebook in shipped() else str(_own_file(record) or f"{record.notebook}.ipynb")
    try:
        known = declared(tagged(read_template(find_notebook(notebook)), PARAMETERS) or "")
    except K1Error:  # it has gone or changed
        known = {}
    given = [
        f"{name}={value}"
        for name, value in record.parameters.items()
        if name != CONSENT and MASK not in str(value) and (name not in known or value != known[name].default)
    ]
    return shlex.join(["k1nb", "run", notebook, *(word for pair in given for word in ("-p", pair))])


@contextmanager
def claimed(settings: Settings, run: str | None) -> Iterator[None]:
    """Let one process at a time stage a run that goes on from this broken one; None stands for a run that does not.

    Raises UsageError where another run is going on from it, or has done so and concluded, and StorageError.
    """
    if run is None:
        yield
        return
    lock = FileLock(private(settings.paths.records) / ".resume.lock", timeout=settings.timings.seal_lock, mode=0o600)
    try:
        with lock:
            _refuse_resumed(settings, run)
            yield
    except Timeout as error:
        raise StorageError(f"another process holds {lock.lock_file}", hint="wait for it, or end it") from error


def _refuse_resumed(settings: Settings, run: str) -> None:
    for other in Archive(settings.paths).list():
        if other.manifest.resumes != run:
            continue
        if other.running:
            raise UsageError(f"run {other.id} is going on from run {run} already", hint=f"k1nb records show {other.id}")
        if other.verdict is not Verdict.INTERRUPTED:
            raise UsageError(
                f"run {other.id} has gone on from run {run}, and concluded: {other.verdict}",
                hint=f"begin another: k1nb run {other.notebook}",
            )


def began_at(settings: Settings, record: Record) -> datetime:
    """Return when a run began, or the first of the broken ones that it goes on from, as far as their records tell."""
    try:
        return began(Archive(settings.paths), record) or record.started_at
    except (UnknownName, RecordError):
        return record.started_at


def began(archive: Archive, record: Record) -> datetime | None:
    """Return when the first of the broken runs began that a run goes on from with the consent that was given to them.

    None where it goes on from none, or has a consent of its own: what an earlier consent has led to does not answer
    that one. Raises UnknownName where the record of one is gone, RecordError where it is damaged.
    """
    at, consent = None, record.parameters.get(CONSENT)
    while record.manifest.resumes is not None:
        record = archive.get(record.manifest.resumes)
        if record.verdict is Verdict.UNKNOWN:  # no run that broke: the archive shows a damaged one so
            raise RecordError(record.manifest.reason, hint="restore it from a backup, or begin another run")
        if record.parameters.get(CONSENT) != consent:
            break
        at = record.started_at
    return at


def _file(record: Record) -> Path:
    """Return the file of the notebook that was run."""
    own = _own_file(record)
    if own and record.manifest.source and source_sum(own) == record.manifest.source:
        return own
    if record.notebook in shipped() and _was_shipped(record, own):
        return shipped()[record.notebook]
    if own is None or not own.is_file():
        raise UnknownName(
            f"the notebook of run {record.id} is not there any more" + (f": {own}" if own else ""),
            hint="put it back, or begin another run",
        )
    raise UsageError(
        f"{own} is not what run {record.id} has run: it has changed", hint=f"begin another: k1nb run {own}"
    )


def _was_shipped(record: Record, own: Path | None) -> bool:
    """Tell whether a run's notebook came with k1nb, this one or one before it; Jupyter and papermill don't say."""
    return own is None or not record.manifest.source or (own.name == f"{record.notebook}.ipynb" and not _elsewhere(own))


def _elsewhere(own: Path) -> bool:
    """Tell whether a file is there, and is none of an installation's own notebooks."""
    return own.is_file() and own.resolve().parent not in {file.resolve().parent for file in shipped().values()}


def _own_file(record: Record) -> Path | None:
    """Return the path that the notebook was run from, as far as the record's copy of it tells."""
    try:
        noted = read_notebook(record.folder / NOTEBOOK).metadata.get("papermill", {}).get("input_path")
    except (RecordError, StorageError):  # the run broke before it was saved, or there was no room for it
        return None
    return Path(noted).absolute() if noted else None
