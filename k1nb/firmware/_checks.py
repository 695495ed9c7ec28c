"""Checks of what firmware keeps on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import StorageError
from k1nb.firmware._artifacts import ArtifactStore
from k1nb.firmware._ledger import Ledger

_MIB = 1024 * 1024
_FEW = 1024 * _MIB
"""Free bytes below which the disk is a warning: room for some 500 images."""
_TOO_FEW = 64 * _MIB
"""Free bytes below which a build with its artifact may not fit."""


def checks(settings: Settings) -> list[Check]:
    """Check the disk under the artifact store, every stored artifact, and the ledger."""
    store = ArtifactStore(settings.paths)
    return [_disk(store.folder), _artifacts(store), _ledger(settings)]


def _disk(folder: Path) -> Check:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    status = Status.OK if free >= _FEW else Status.WARN if free >= _TOO_FEW else Status.FAIL
    hint = None if status is Status.OK else f"free space under {there}, or set ARTIFACT_STORAGE_PATH elsewhere"
    seen, values = f"{free // _MIB:,} MiB free", {"free_mib": float(free // _MIB)}
    return Check("artifact store: disk space", status, seen, hint, str(there), values=values)


def _artifacts(store: ArtifactStore) -> Check:
    name, source = "artifact store: readable", str(store.folder)
    damaged = list(store.damaged())
    if damaged:
        return Check(name, Status.FAIL, "; ".join(error.message for error in damaged), damaged[0].hint, source)
    count = len(store.list())
    if not count:
        return Check(
            name,
            Status.NOT_CONFIGURED,
            "no artifact is stored yet",
            "a build stores one: `k1nb run firmware_deploy`",
            source,
        )
    values = {"artifacts": float(count)}
    return Check(name, Status.OK, f"{count} stored, every sha256 is right", None, source, values=values)


def _looks(settings: Settings) -> int:
    """Count what deployments keep of a device before they flash it."""
    return sum(1 for _ in (settings.paths.devices / "snapshots").glob("*.json"))


def _ledger(settings: Settings) -> Check:
    name, source = "ledger: readable", str(settings.paths.ledger)
    if not settings.paths.ledger.exists() and (looks := _looks(settings)):
        seen = f"there is none, though {looks} deployments kept a look: nothing is known of what the devices run"
        return Check(name, Status.FAIL, seen, "restore it from a backup", source)
    if not settings.paths.ledger.exists():
        return Check(
            name,
            Status.NOT_CONFIGURED,
            "nothing was deployed yet",
            "a deployment writes it: `k1nb run firmware_deploy`",
            source,
        )
    try:
        count = Ledger(settings.paths, settings.timings).verify()
    except StorageError as error:
        return Check(name, Status.FAIL, error.message, error.hint, source)
    values = {"deployments": float(count)}
    return Check(name, Status.OK, f"{count} deployments, the file is whole", None, source, values=values)
