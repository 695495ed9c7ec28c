"""Folders: is there room, and may we write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from k1nb.checks import Check, Status

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A folder that k1nb writes to."""

    label: str
    """`home`, `cache` or `artifacts`."""
    folder: Path
    there: Path
    """The folder itself, or the nearest above it that exists."""
    free: int
    """Bytes."""
    writable: bool
    ours: bool
    """It belongs to this user, or does not exist yet."""
    setting: str
    """What puts it elsewhere."""
    least: int
    """Bytes without which what is put there next does not fit."""
    comfortable: int
    """Bytes below which somebody should look."""


def place_checks(place: Place) -> list[Check]:
    """Judge whether a folder can be written to, and how much fits."""
    return [_writable(place), _space(place)]


def _writable(place: Place) -> Check:
    name, hint = f"{place.label}: writable", f"make it yours to write, or set {place.setting} elsewhere"
    if not place.writable:
        return Check(name, Status.FAIL, f"{place.there} cannot be written", hint, str(place.folder))
    if not place.ours:
        return Check(name, Status.FAIL, f"{place.folder} belongs to another user", hint, str(place.folder))
    seen = "yes" if place.there == place.folder else "it is made when it is needed"
    return Check(name, Status.OK, seen, source=str(place.folder))


def _space(place: Place) -> Check:
    name, seen = f"{place.label}: disk space", f"{place.free // _MIB:,} MiB free"
    values = {"free_mib": float(place.free // _MIB)}
    if place.free >= place.comfortable:
        return Check(name, Status.OK, seen, source=str(place.there), values=values)
    hint = f"free space under {place.there}, or set {place.setting} elsewhere"
    if place.free < place.least:
        why = f"{seen}, {place.least // _MIB:,} MiB are needed"
        return Check(name, Status.FAIL, why, hint, str(place.there), values=values)
    why = f"{seen}, {place.comfortable // _MIB:,} MiB are good"
    return Check(name, Status.WARN, why, hint, str(place.there), values=values)
