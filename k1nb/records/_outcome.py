"""A run as whoever started it from outside finds it: by the id that he gave it, and with its place in the chain."""

from __future__ import annotations

import os
import platform
import re
import signal
from contextlib import suppress
from dataclasses import dataclass

from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError
from k1nb.paths import Paths
from k1nb.records._archive import LOST, alive, broken, record_in
from k1nb.records._record import MANIFEST, Record, sum_of
from k1nb.records._staging import Staging

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[A-Za-z0-9_-]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Place:
    """A record's place in the chain; whoever keeps it can tell later that nothing before it vanished."""

    number: int
    """Place in the order of sealing, from 1."""
    sha256: str
    """Of the sealed manifest."""
    chain: str
    """Id of the key that signs the chain."""

    def __str__(self) -> str:
        """Name it as people are told of it."""
        return f"record {self.number} of chain {self.chain}, sha256 {self.sha256}"


def place_of(record: Record) -> Place | None:
    """Return a record's place in the chain; None for one that has no seal. Raises OSError where it cannot be read."""
    seal = record.manifest.seal
    if seal is None:
        return None
    return Place(seal.number, sum_of(record.folder / MANIFEST), seal.chain)


def find_run(settings: Settings, run: str) -> Record | None:
    """Return a run by its whole id, without reading any other; None where it was never staged.

    One whose process has ended before it concluded is moved in first, as any next start would do.
    """
    staged, kept = settings.paths.staging / run, settings.paths.records / run
    while not kept.is_dir():
        if not staged.is_dir():
            # Moved in between the two looks, or never there.
            return record_in(kept) if kept.is_dir() else None
        try:
            record = record_in(staged)
        except FileNotFoundError:
            continue
        if alive(record.manifest, staged):
            return Record(record.manifest, staged, running=True)
        Staging(settings).sweep()
        if staged.is_dir():  # it cannot be moved, so it is no answer
            return Record(broken(record.manifest, record.reason or LOST), staged)
    return record_in(kept)


def tell_to_end(record: Record) -> None:
    """Send SIGTERM to the process of a run that is alive on this machine, and return at once."""
    process = record.manifest.process
    if process is not None and record.manifest.host == platform.node() and alive(record.manifest, record.folder):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal.SIGTERM)


def free_id(paths: Paths, run: str) -> str:
    """Return an id that a new run may have; raises ParameterError for what is none, RecordError for one in use."""
    if not _ID.fullmatch(run):
        raise ParameterError(f"{run!r} is no id of a run", hint="leave it to k1nb run to name its run")
    if (paths.staging / run).exists() or (paths.records / run).exists():
        raise RecordError(f"there is a run {run} already", hint=f"k1nb records show {run}")
    return run
