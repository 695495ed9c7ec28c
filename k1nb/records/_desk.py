"""The notebooks that people open: copies of the shipped ones, which may be saved with outputs and changed at will."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from k1nb.errors import StorageError
from k1nb.paths import Paths, private, share, unwritable, write_text
from k1nb.records._notebook import SUFFIX, shipped

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
    known = _read(desk.folder / _INDEX)
    for name, file in shipped().items():
        text = file.read_text(encoding="utf-8")
        own = desk.folder / file.name
        if own.is_file() and known.get(name) == _sum(text):
            continue
        if own.is_file() and _sum(own.read_text(encoding="utf-8")) not in (known.get(name), _sum(text)):
            desk.kept.append(_put_aside(own))
        write_text(own, text)
        known[name] = _sum(text)
        desk.fresh.append(name)
    if desk.fresh:
        write_text(desk.folder / _INDEX, json.dumps(known, indent=1) + "\n")
    _runbooks(private(desk.folder / "runbooks"))
    return desk


def _runbooks(folder: Path) -> None:
    for file in share("runbooks").glob("*.md"):
        text = file.read_text(encoding="utf-8")
        own = folder / file.name
        if not own.is_file() or own.read_text(encoding="utf-8") != text:
            write_text(own, text)


def _put_aside(file: Path) -> Path:
    """Rename a notebook after the moment, and return its new path."""
    aside = file.with_name(f"{file.stem}.until-{datetime.now(UTC):%Y%m%d-%H%M%S}{SUFFIX}")
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


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
