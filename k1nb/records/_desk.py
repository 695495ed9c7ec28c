"""The notebooks that people open: copies of the shipped ones, which may be saved with outputs and changed at will."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from k1nb.errors import StorageError
from k1nb.paths import Paths, private, share, unwritable, write_bytes, write_text
from k1nb.records._notebook import shipped

_INDEX = ".shipped.json"


@dataclass(slots=True)
class Desk:
    """The folder of copies, and what was done to it."""

    folder: Path
    fresh: list[str] = field(default_factory=list)
    """Notebooks that were laid out now: new, or newer than the copy."""
    kept: list[Path] = field(default_factory=list)
    """Where copies went that somebody had changed and that a newer notebook took the place of."""


def lay_out(paths: Paths) -> Desk:
    """Bring the copies of the shipped notebooks and runbooks up to date, and return where they are.

    A copy that somebody has changed or saved with outputs stays as it is for as long as the shipped notebook does; then
    it is put aside under another name, never overwritten. Raises StorageError.
    """
    desk = Desk(private(paths.home / "lab"))
    private(desk.folder / "runbooks")
    known = _read(desk.folder / _INDEX)
    before = dict(known)
    for name, file in shipped().items():
        if _lay(desk, file, desk.folder / file.name, name, known):
            desk.fresh.append(name)
    for file in sorted(share("runbooks").glob("*.md")):
        _lay(desk, file, desk.folder / "runbooks" / file.name, f"runbooks/{file.name}", known)
    if known != before:
        write_text(desk.folder / _INDEX, json.dumps(known, indent=1) + "\n")
    return desk


def _lay(desk: Desk, file: Path, own: Path, name: str, known: dict[str, str]) -> bool:
    """Copy one file unless its copy is of it, changed or not; tell whether that was done."""
    data = file.read_bytes()
    if own.is_file() and known.get(name) == _sum(data):
        return False
    if own.is_file() and _sum(own.read_bytes()) not in (known.get(name), _sum(data)):
        desk.kept.append(_put_aside(own))
    write_bytes(own, data)
    known[name] = _sum(data)
    return True


def _put_aside(file: Path) -> Path:
    """Rename a copy after the moment, and return its new path."""
    aside = file.with_name(f"{file.stem}.until-{datetime.now(UTC):%Y%m%d-%H%M%S}{file.suffix}")
    try:
        return file.rename(aside)
    except OSError as error:
        raise unwritable(aside, error) from error


def _read(index: Path) -> dict[str, str]:
    """Return which text of each notebook was copied; nothing where that is not known, for then all are put aside."""
    try:
        return {str(name): str(digest) for name, digest in json.loads(index.read_text(encoding="utf-8")).items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
    except OSError as error:
        raise StorageError(f"cannot read {index}: {error.strerror}", hint="mend its permissions") from error


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
