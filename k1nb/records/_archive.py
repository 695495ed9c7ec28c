"""The archive: what is kept of every run."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from k1nb.checks import Verdict
from k1nb.errors import RecordError, UnknownName
from k1nb.paths import Paths
from k1nb.records._life import life_of
from k1nb.records._record import Manifest, Record, read_manifest
from k1nb.records._verification import Problem

LOST = "its process ended before it concluded"
UNSEEN = f"{LOST}; when is not known, its end here is when it wrote last"


class Archive:
    """The records of one installation, to be looked at; `Staging` is what writes them."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def list(self) -> list[Record]:
        """Return every run, newest first: concluded, interrupted, and running ones."""
        return sorted(self._all(), key=lambda record: (record.started_at, record.id), reverse=True)

    def get(self, key: str) -> Record:
        """Return a run by its id or an unambiguous part of it, its ends before all else; raises UnknownName."""
        names = _named(key, run_ids(self._paths)) if key else set()
        if len(names) > 1:
            raise UnknownName(f"{key!r} names {len(names)} records", hint=f"give more of it, e.g. {max(names)}")
        name = next(iter(names), "")
        for found in (self._staged(name), self._kept(name), self._staged(name)) if name else ():
            if found is not None:  # it may be moved in between two looks
                return found
        raise UnknownName(f"there is no record {key!r}", hint="k1nb records list")

    def _staged(self, name: str) -> Record | None:
        return next(staged_records(self._paths, name), None)

    def _kept(self, name: str) -> Record | None:
        return kept_record(self._paths.records / name)

    def _all(self) -> Iterator[Record]:
        yield from staged_records(self._paths)
        for folder in folders(self._paths.records):
            yield record_in(folder)


def _named(key: str, names: Iterable[str]) -> set[str]:
    """Return the names that a key means: it as a whole, else at an end of them, else within them."""
    within = {name for name in names if key in name}
    ends = {name for name in within if name.startswith(key) or name.endswith(key)}
    return within & {key} or ends or within


def staged_records(paths: Paths, name: str | None = None) -> Iterator[Record]:
    """Yield the runs that are under way, and those whose process has ended and that wait to be moved in.

    With `name` only that one. One that is moved in at this moment is left out.
    """
    for folder in folders(paths.staging):
        if name not in (None, folder.name):
            continue
        try:
            manifest = record_in(folder).manifest
        except FileNotFoundError:
            continue
        running = alive(manifest, folder)
        yield Record(manifest if running else broken(manifest, manifest.reason or LOST), folder, running=running)


def run_ids(paths: Paths) -> list[str]:
    """Return the ids of every run, newest first, without reading a record."""
    return sorted(
        (folder.name for parent in (paths.staging, paths.records) for folder in folders(parent)), reverse=True
    )


def lost_runs(paths: Paths) -> list[str]:
    """Return the staged runs whose process has ended: they wait to be moved in as INTERRUPTED."""
    return [record.folder.name for record in staged_records(paths) if not record.running]


def folders(parent: Path) -> list[Path]:
    """Return the records' folders below one; what is being made or staged has a dot in its name.

    Where that cannot be read there are none: `unreadable` says so.
    """
    try:
        return _folders(parent)
    except OSError:
        return []


def _folders(parent: Path) -> list[Path]:
    with os.scandir(parent) as entries:
        return sorted(Path(entry.path) for entry in entries if holds_record(entry))


def holds_record(entry: os.DirEntry[str] | Path) -> bool:
    """Tell whether a folder is there that may be a record's, as far as that can be seen; no run's id has a dot."""
    try:
        return "." not in entry.name and entry.is_dir()
    except OSError:
        return False


def unreadable(paths: Paths) -> list[Problem]:
    """Return what of the archive cannot be read, and why: all of it, what is staged, or records' folders."""
    found = []
    for place in (paths.records, paths.staging):
        try:
            inside = _folders(place)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.append(Problem("", place.name, cannot_be_read(error)))
        else:
            closed = [folder.name for folder in inside if not os.access(folder, os.R_OK | os.X_OK)]
            found += [Problem(name, "", "it cannot be read: its permissions refuse that") for name in closed]
    return found


def cannot_be_read(error: OSError) -> str:
    """Say why a file or folder could not be read."""
    return f"it cannot be read: {error.strerror or error}"


def kept_record(folder: Path) -> Record | None:
    """Read a record; None where there is none any more."""
    try:
        return record_in(folder)
    except FileNotFoundError:
        return None


def record_in(folder: Path) -> Record:
    """Read a record; one whose manifest is damaged is shown as UNKNOWN rather than left out.

    Raises FileNotFoundError where the folder is not there.
    """
    try:
        return Record(read_manifest(folder), folder)
    except RecordError as error:
        manifest = Manifest.model_construct(
            run=folder.name, notebook="", verdict=Verdict.UNKNOWN, reason=error.message, started_at=_changed(folder)
        )
        return Record(manifest, folder)


def _changed(folder: Path) -> datetime:
    """Return when a folder changed last, 1970 where that cannot be seen; raises FileNotFoundError."""
    try:
        return datetime.fromtimestamp(folder.stat().st_mtime, UTC)
    except FileNotFoundError:
        raise
    except OSError:
        return datetime.fromtimestamp(0, UTC)


def broken(manifest: Manifest, reason: str) -> Manifest:
    """Return a manifest with what broke its run; a verdict that would pass is taken back for it."""
    if reason and manifest.verdict.passes():
        manifest = manifest.changed(verdict=Verdict.INTERRUPTED)
    return manifest.changed(reason=reason or manifest.reason)


def alive(manifest: Manifest, folder: Path) -> bool:
    """Tell whether a staged run may still conclude: whether its lock is held.

    Where that says nothing its process is looked for; of another machine's processes nothing is known here.
    """
    if (life := life_of(folder)) != "unknown":
        return life == "alive"
    if manifest.process is None:
        return False
    return manifest.host != platform.node() or manifest.process.alive
