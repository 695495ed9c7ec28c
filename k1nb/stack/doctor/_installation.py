"""Settings, inventory, projects and the server's files of this installation."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path

from k1nb._plain import counted
from k1nb.checks import Check, Status
from k1nb.device import Device, clash
from k1nb.errors import K1Error

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that may hold a secret."""

    file: Path
    mode: int
    ours: bool
    secret: bool
    """It does hold one."""


@dataclass(frozen=True, slots=True)
class Jar:
    """The server's jar in the cache."""

    path: Path
    label: str
    size: int | None
    """Bytes; None where it is not there."""
    sum_is_right: bool = False
    verified_at: datetime | None = None
    """When its sum was read last; its size and time are the same since."""


@dataclass(frozen=True, slots=True)
class StartUp:
    """What makes the server start fast: unpacked, and a cache of its classes for this Java."""

    folder: Path
    supported: bool
    """This Java makes such a cache."""
    unpacked: bool
    cache: Path
    size: int | None
    """Bytes of the fitting cache; None where there is none."""
    others: int
    """How many caches there are for another Java or other options."""
    failed: str = ""
    """Why it could not be made, as remembered."""


def settings_checks(origins: Mapping[str, str], *, refused: K1Error | None = None) -> list[Check]:
    """Judge the settings; `origins` says where each that is not at its default comes from."""
    name, source = "settings: valid", "environment and k1nb.toml"
    if refused is not None:
        return [Check(name, Status.FAIL, refused.message, refused.hint, source)]
    seen = ", ".join(f"{key} from {origin}" for key, origin in sorted(origins.items()))
    return [Check(name, Status.OK, seen or "every setting is at its default", source=source)]


def permission_checks(files: Iterable[Kept]) -> list[Check]:
    """Judge who may read and write files that may hold secrets."""
    name = "settings: permissions"
    found = list(files)
    wrong = [check for kept in found if (check := _permission(name, kept))]
    if wrong:
        return wrong
    if not found:
        return [Check(name, Status.OK, "no file of settings or secrets is there yet", source="stat")]
    open_ = [kept for kept in found if kept.mode & 0o044]
    closed = len(found) - len(open_)
    own = [counted(closed, "file for its owner alone", "files for their owner alone")] if closed else []
    told = [f"{kept.file} holds no secret, and others may read it" for kept in open_]
    return [Check(name, Status.OK, "; ".join(own + told), source="stat")]


def _permission(name: str, kept: Kept) -> Check | None:
    source, spelt = str(kept.file), f"mode {stat.S_IMODE(kept.mode):04o}"
    if not kept.ours:
        return Check(name, Status.FAIL, f"{kept.file} belongs to another user", f"chown it: {kept.file}", source)
    hint = f"chmod 600 {kept.file}"
    if kept.mode & 0o022:
        return Check(name, Status.FAIL, f"{kept.file} can be changed by others ({spelt})", hint, source)
    if kept.secret and kept.mode & 0o044:
        return Check(name, Status.FAIL, f"{kept.file} holds a secret that others can read ({spelt})", hint, source)
    return None


def inventory_checks(devices: Sequence[Device] | K1Error, file: Path, default: Device | K1Error | None) -> list[Check]:
    """Judge the inventory: readable, nothing listed twice, K1_DEVICE_IP in it."""
    name, source = "inventory: sane", str(file)
    if isinstance(devices, K1Error):
        return [Check(name, Status.FAIL, devices.message, devices.hint, source)]
    meant = [] if default is None else [_default(default, source)]
    doubles = [
        f"{taken} is both {a.name}'s and {b.name}'s" for a, b in combinations(devices, 2) if (taken := clash(a, b))
    ]
    if doubles:
        hint = "remove one of them with `k1nb device remove`, and deploy to neither before that"
        return [Check(name, Status.FAIL, "; ".join(doubles), hint, source), *meant]
    if not devices:
        why = "it lists no device, so none can be deployed to"
        return [Check(name, Status.NOT_CONFIGURED, why, "list yours with `k1nb device add`", source), *meant]
    return [Check(name, Status.OK, _count(devices), source=source), *meant]


def _count(devices: Sequence[Device]) -> str:
    simulated = sum(device.kind == "simulator" for device in devices)
    production = sum(device.role == "production" for device in devices)
    return (
        f"{counted(len(devices), 'device')}, {simulated} of them simulated, {production} in production; nothing twice"
    )


def _default(default: Device | K1Error, source: str) -> Check:
    name = "inventory: K1_DEVICE_IP"
    if isinstance(default, K1Error):
        return Check(name, Status.FAIL, f"{default.message}; nothing is connected to", default.hint, source)
    return Check(name, Status.OK, f"it means {default.label}", source=source)


def project_checks(projects: Mapping[str, tuple[Path, str]]) -> list[Check]:
    """Judge the firmware projects that can be built: of each its path and what is wrong with it, by name."""
    if not projects:
        why = "none is set, so no firmware but the demo's can be built"
        hint = "set PLATFORMIO_PROJECT_PATH to the PlatformIO project in its git clone"
        return [Check("projects: set", Status.NOT_CONFIGURED, why, hint, "settings")]
    return [_project(f"project {name}: there", str(path), wrong) for name, (path, wrong) in projects.items()]


def _project(name: str, path: str, wrong: str) -> Check:
    if wrong:
        return Check(name, Status.FAIL, wrong, "correct PLATFORMIO_PROJECT_PATH or K1NB_REPOSITORIES", path)
    return Check(name, Status.OK, "a PlatformIO project in a git clone", source=path)


def jar_check(jar: Jar) -> Check:
    """Judge the server's jar."""
    name, source = "server: jar", str(jar.path)
    if jar.size is None:
        why = f"{jar.label} is not here yet"
        return Check(name, Status.WARN, why, "`k1nb up conductor` fetches it once, 458 MB from Maven Central", source)
    if not jar.sum_is_right:
        why = f"{jar.label} is damaged: its sum is wrong"
        return Check(name, Status.FAIL, why, "`k1nb up conductor` removes it and fetches it again", source)
    when = f", sum verified at {jar.verified_at:%Y-%m-%d %H:%M} UTC" if jar.verified_at else ", sum verified now"
    return Check(name, Status.OK, f"{jar.label}, {jar.size // _MIB} MiB{when}", source=source)


def start_up_check(seen: StartUp | None) -> Check:
    """Judge the cache that the server starts from; None where it needs the jar or the Java that is missing."""
    name = "server: start-up cache"
    if seen is None:
        return Check(name, Status.UNKNOWN, "not asked: it depends on the jar and the Java", "see to those first")
    source = str(seen.cache)
    if not seen.supported:
        why = "this Java makes none, so the server starts slowly"
        return Check(name, Status.NOT_CONFIGURED, why, "Java 25 or newer makes one: unset K1NB_JAVA", str(seen.folder))
    if seen.failed:
        hint = f"mend that, remove {seen.cache.with_suffix('.failed')}, then `k1nb up conductor`"
        return Check(name, Status.WARN, f"it could not be made: {seen.failed}", hint, source)
    if seen.size is None or not seen.unpacked:
        which = f"there are {seen.others}, but none fits this Java and jar" if seen.others else "there is none yet"
        return Check(name, Status.WARN, which, "the next start of the server makes it once, half a minute", source)
    more = f"; {seen.others} more for another Java can be removed" if seen.others else ""
    return Check(name, Status.OK, f"fits this Java and jar, {seen.size // _MIB} MiB{more}", source=source)
