"""Staging: runs grow in a private folder and are moved in whole once they are over."""

from __future__ import annotations

import errno
import os
import platform
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

from k1nb.config import Settings
from k1nb.errors import RecordError, StorageError
from k1nb.paths import private, unwritable, write_text
from k1nb.records._archive import LOST, UNSEEN, broken, lost_runs, record_in, staged_records
from k1nb.records._chain import Chain, copy_for_sealing
from k1nb.records._life import ALIVE, Life
from k1nb.records._notebook import canonical, read_notebook
from k1nb.records._processes import end_runs
from k1nb.records._record import (
    MANIFEST,
    NOTEBOOK,
    UNMASKED,
    Manifest,
    Process,
    Record,
    files_in,
    new_id,
    read_manifest,
    sum_of,
    write_manifest,
)
from k1nb.records._redaction import leaks, leaky, masks, redacted_notebook
from k1nb.records._tidy import remove, tidy
from k1nb.records._turn import turn_at
from k1nb.secrets import MASK, Redactor

KERNEL_LOG = "kernel.log"
PARTIAL = "notebook.partial.txt"
RESERVE = ".reserve"
"""Room that a run holds, to be given up so that its record can be written on a disk that is full."""
_RESERVED = 262_144
SUPERSEDED = "its kernel began another run before it concluded"


class Staging:
    """Writes records: nothing that is kept is ever overwritten, and all of it is redacted and sealed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._paths = settings.paths
        self._redact = settings.redact
        self._timings = settings.timings
        self._chain = Chain(settings.paths, settings.timings)
        self._lives: dict[str, Life] = {}
        """Of the runs that were begun here and are not settled."""

    def begin(self, notebook: str, *, run: str | None = None) -> Record:
        """Stage a new run; it is INTERRUPTED until it concludes. Runs that crashes left are moved in first."""
        self.sweep()
        run = run or new_id(notebook)
        manifest = Manifest(run=run, notebook=notebook, started_at=datetime.now(UTC), process=Process.own())
        return Record(manifest, self._stage(manifest), running=True)

    def _stage(self, manifest: Manifest) -> Path:
        """Make a run's folder in staging appear with its manifest in it."""
        refuse_name(f"{manifest.run} {manifest.notebook}", self._redact)
        private(self._paths.records)
        folder = private(self._paths.staging) / manifest.run
        fresh = private(folder.with_name(f".{manifest.run}.{token_hex(4)}"))  # two may begin under one id
        try:
            write_manifest(fresh, manifest)
            _hold(fresh / RESERVE)
            self._lives[manifest.run] = Life(fresh)
            return fresh.rename(folder)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                # Not the error for a broken run: whoever gave us this id must not take the other's run for his.
                raise StorageError(
                    f"there is a run {manifest.run} already", hint=f"k1nb records show {manifest.run}"
                ) from None
            raise unwritable(folder, error) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)  # there only where one of these failed

    def staged(self, run: str) -> Record:
        """Return a staged run; raises RecordError where there is none of that id."""
        folder = self._paths.staging / run
        if not (folder / MANIFEST).is_file():
            raise RecordError(
                f"no run {run} is under way", hint="unset K1NB_RUN, and begin another from the first cell"
            )
        return Record(read_manifest(folder), folder, running=True)

    @contextmanager
    def turn(self, run: str) -> Iterator[Record]:
        """Yield a staged run as it stands, to be updated while no other thread or process does.

        Raises RecordError where there is none of that id, or where it has ended.
        """
        folder = self.staged(run).folder
        with turn_at(folder, self._timings.seal_lock):
            record = self.staged(run)
            if record.ended_at is not None:
                raise RecordError(f"run {run} has concluded", hint="begin another from the first cell")
            yield record

    def update(self, record: Record, **changes: Any) -> Record:
        """Write changes into a staged run's manifest, redacted."""
        if record.folder.parent != self._paths.staging or not record.folder.is_dir():
            raise RecordError(f"record {record.id} is closed", hint="begin another run")
        manifest = record.manifest.changed(**changes).redacted(self._redact)
        write_manifest(record.folder, manifest)
        return Record(manifest, record.folder, running=True)

    def settle(
        self, record: Record, *, executed: Any = None, reason: str = "", ended_at: datetime | None = None
    ) -> Record:
        """Close a staged run: add its executed notebook where there is one, seal it and move it in whole.

        `reason` says what broke the run; a verdict that would pass is taken back for it. A run that has not said when
        it ended did so at `ended_at`, or now.
        """
        remove(record.folder / RESERVE)
        left = tidy(record.folder)
        manifest = self._over(record.folder, ended_at or datetime.now(UTC))
        if not manifest.honest:
            reason = reason or "its verdict does not follow from its checks"
        self._keep_log(record.folder)
        self._put_notebook(record.folder, self._left_notebook(record.folder) if executed is None else executed)
        odd = f"left out of the record, for it is no plain file: {self._redact(', '.join(left))}" if left else ""
        reason = "; ".join(filter(None, (reason, odd, self._drop_leaks(record.folder))))
        manifest = broken(manifest, reason).changed(
            process=None,
            files=_sums(record.folder),
            seal=None,
        )
        with self._chain.turn():  # nobody else seals it meanwhile
            remove(record.folder / ALIVE)
            settled = self._sealed(record.folder, manifest)
        if life := self._lives.pop(record.id, None):
            life.end()
        return settled

    def _over(self, folder: Path, ended_at: datetime) -> Manifest:
        """Return a staged run's manifest after its last change: whoever comes later finds that it has ended."""
        with turn_at(folder, self._timings.seal_lock):
            manifest = read_manifest(folder)
            if manifest.ended_at is None:
                manifest = manifest.changed(ended_at=ended_at)
                write_manifest(folder, manifest)
            return manifest

    def _sealed(self, folder: Path, manifest: Manifest, *, again: bool = False) -> Record:
        """Seal a folder and move it in; then it is found by searches and on the archive's page.

        What fails after the seal breaks no run.
        """
        from k1nb.records._findable import make_findable

        record = record_in(self._chain.seal(folder, self._clean(folder, manifest), again=again))
        make_findable(self._settings, record)
        return record

    def sealed(self, record: Record) -> bool:
        """Tell whether a staged run is sealed and only waits to be moved."""
        return self._chain.holds(record.folder)

    def sweep(self, *, superseded: bool = False, ended: Mapping[str, datetime] | None = None) -> None:
        """Move in what crashes left in staging, and end what is left of those runs.

        With `superseded` also what this very process began is moved in. `ended` tells when a run did, where that is
        known; for others it is when they wrote last.
        """
        self._chain.finish()
        end_runs(lost_runs(self._paths), self._timings.child_stop)
        for lost in staged_records(self._paths):
            own = superseded and _is_own(lost.manifest)
            if lost.running and not own:
                continue
            # A damaged one, and one that cannot be moved in now, stays and shows: it must not keep others up.
            with suppress(RecordError, StorageError, OSError, ValueError), self._chain.turn():
                if lost.folder.is_dir():  # another process may have been sweeping, too
                    if own:
                        self.settle(lost, reason=SUPERSEDED)
                    else:
                        self._settle_lost(lost, lost.ended_at or (ended or {}).get(lost.id))

    def _settle_lost(self, lost: Record, ended_at: datetime | None) -> None:
        if ended_at is None:
            self.settle(lost, reason=UNSEEN, ended_at=_last_written(lost))
        else:
            self.settle(lost, reason=LOST, ended_at=ended_at)

    def _keep_log(self, folder: Path) -> None:
        """Keep what the kernel wrote outside its cells, redacted, if it wrote anything."""
        log = folder / KERNEL_LOG
        text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        if text.strip():
            write_text(log, self._redact(text))
        else:
            log.unlink(missing_ok=True)

    def _left_notebook(self, folder: Path) -> Any:
        """Return the notebook that papermill saved last; half a file is kept as text."""
        left = folder / NOTEBOOK
        if not left.is_file():
            return None
        try:
            return read_notebook(left)
        except RecordError:
            write_text(folder / PARTIAL, self._redact(left.read_text(encoding="utf-8", errors="replace")))
            left.unlink()
            return None

    def _put_notebook(self, folder: Path, executed: Any) -> None:
        if executed is not None:
            write_text(folder / NOTEBOOK, canonical(redacted_notebook(executed, self._redact)))

    def _drop_leaks(self, folder: Path) -> str:
        """Remove each file that holds a secret in spite of redaction, and return what is to be said of that."""
        found = [file for file in leaks(folder, self._redact) if file.name != MANIFEST]
        for file in found:
            file.unlink()
        names = ", ".join(self._redact(file.name) for file in found)
        return f"{names} {UNMASKED}" if found else ""

    def _clean(self, folder: Path, manifest: Manifest) -> Manifest:
        """Return a manifest redacted, with the number of masks in it and in the files beside it.

        One that lost a field for a secret does not pass.
        """
        clean = manifest.redacted(self._redact)
        if clean.leaks(self._redact):
            raise RecordError(f"the names in the manifest of {folder} hold a secret", hint="rename the notebook")
        if UNMASKED in clean.reason:
            clean = broken(clean, clean.reason)
        said = clean.model_dump_json()
        return clean.changed(redactions=masks(files_in(folder)) + said.count(MASK))

    def join(self, record: Record, executed: Any, reason: str = "") -> Record:
        """Add an executed notebook to a closed record that has none yet, and seal it again.

        `reason` says what it shows to be broken.
        """
        text = canonical(redacted_notebook(executed, self._redact))
        if leaky(NOTEBOOK, text.encode(), self._redact):
            raise RecordError(f"the notebook {UNMASKED}", hint="take the secret out of it, and import it again")
        with self._chain.turn():
            folder = copy_for_sealing(self._paths, record.folder, record.manifest.seal)
            write_text(folder / NOTEBOOK, text)
            return self._sealed(folder, broken(record.manifest, reason).changed(files=_sums(folder)), again=True)

    def prune(self, record: Record) -> Record:
        """Remove a sealed record's files and seal it again: its manifest stays, and says what was removed."""
        with self._chain.turn():
            folder = copy_for_sealing(self._paths, record.folder, record.manifest.seal)
            for file in files_in(folder):
                file.unlink()
            pruned = {**record.manifest.pruned, **record.files}
            return self._sealed(folder, record.manifest.changed(files={}, pruned=pruned), again=True)

    def adopt(self, manifest: Manifest, executed: Any, reason: str = "") -> Record:
        """Make a record of a run that ended elsewhere, from what its notebook carries."""
        folder = self._stage(manifest.changed(process=Process.own(), files={}).redacted(self._redact))
        try:
            return self.settle(Record(manifest, folder), executed=executed, reason=reason)
        finally:
            # Left only by a failure: the next start would make a record of it that says less than the notebook.
            shutil.rmtree(folder, ignore_errors=True)


def _is_own(manifest: Manifest) -> bool:
    """Tell whether this process has begun a run that is alive; two that live have two pids."""
    return manifest.process is not None and manifest.process.pid == os.getpid() and manifest.host == platform.node()


def _last_written(record: Record) -> datetime:
    """Return when a run has written into its folder last: after that nothing is known of it."""
    times = [record.started_at]
    for file in record.folder.iterdir():
        with suppress(OSError):  # it has gone, or is none that can be looked at
            times.append(datetime.fromtimestamp(file.lstat().st_mtime, UTC))
    return max(times)


def _hold(file: Path) -> None:
    """Take room on the disk; where a file may not be as large there is no use in it."""
    try:
        with file.open("wb", buffering=0) as reserve:
            reserve.write(b"\0" * _RESERVED)
            os.fsync(reserve.fileno())  # a file system may promise room that it turns out not to have
    except OSError as error:
        file.unlink(missing_ok=True)
        if error.errno != errno.EFBIG:
            raise


def refuse_name(notebook: str, redact: Redactor) -> None:
    """Raise RecordError for a notebook whose name, which its record would bear, holds a secret."""
    if redact.found(notebook):
        raise RecordError("the notebook's name holds a secret", hint="rename the notebook's file")


def _sums(folder: Path) -> dict[str, str]:
    return {file.name: sum_of(file) for file in files_in(folder)}
