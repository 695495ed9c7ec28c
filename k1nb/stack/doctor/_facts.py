"""What the doctor looks at; nothing here changes anything."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from k1nb.config import Settings, holds_secret
from k1nb.errors import K1Error, PrerequisiteError
from k1nb.stack._boot import FIRST_WITH_CACHE, boot_files
from k1nb.stack._jar import SERVER, sum_of, verified_before
from k1nb.stack._java import Java, find_java
from k1nb.stack._processes import holding, left_over, refusal, service_name
from k1nb.stack._services import JAVA_OPTIONS, Endpoint, configured, endpoints
from k1nb.stack._supervisor import Supervisor
from k1nb.stack.doctor._host import Clocks
from k1nb.stack.doctor._installation import Jar, Kept, StartUp
from k1nb.stack.doctor._left_over import LeftOver
from k1nb.stack.doctor._places import Place
from k1nb.stack.doctor._ports import Holder, Port

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from k1nb.device import Device

_MIB = 1024 * 1024
ABANDONED = timedelta(days=1)
"""A build folder that nothing has touched for so long belongs to no build; the longest has minutes."""
_CLOCK = 2.0
"""Seconds by which a process's start and a file's time may be told apart wrongly."""
_SCRATCH = (".training-*", ".app-*")
"""Folders of a start that was cut off while it unpacked the server or made its cache."""


def clocks() -> Clocks:
    """Read both clocks."""
    return Clocks(time.time(), time.monotonic())


def installed_at() -> datetime:
    """Return when this installation's code was written to this disk."""
    import k1nb

    return datetime.fromtimestamp(Path(k1nb.__file__).stat().st_mtime, UTC)


def zone() -> str:
    """Return the time zone of this machine, as `CET, UTC+01:00`."""
    now = datetime.now().astimezone()
    return f"{now.tzname()}, UTC{now.isoformat()[-6:]}"


def java(settings: Settings) -> Java | PrerequisiteError:
    """Return the Java that would run the server, or why there is none."""
    try:
        return find_java(settings)
    except PrerequisiteError as error:
        return error


def git(timeout: float) -> str | None:
    """Return what `git --version` says; None where there is no git."""
    try:
        answer = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=timeout, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def requirements() -> list[Requirement]:
    """Return what the installed k1nb declares that it needs, extras included; none where it is not installed."""
    from packaging.requirements import Requirement

    try:
        return [Requirement(line) for line in requires("k1nb") or ()]
    except PackageNotFoundError:
        return []


def installed(wanted: list[Requirement]) -> dict[str, str]:
    """Return the versions of these packages and of k1nb, by canonical name, as far as they are there."""
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    for name in ("k1nb", *(requirement.name for requirement in wanted)):
        with suppress(PackageNotFoundError):
            found[canonicalize_name(name)] = version(name)
    return found


def python_wanted() -> str:
    """Return the Python versions that the installed k1nb declares; empty where it is not installed."""
    try:
        return metadata("k1nb")["Requires-Python"] or ""
    except (PackageNotFoundError, KeyError):
        return ""


def places(settings: Settings) -> list[Place]:
    """Return the folders that k1nb writes to; what has yet to be fetched counts for the cache."""
    paths = settings.paths
    least = 64 * _MIB if SERVER.path_in(paths.cache / "maven").is_file() else 1536 * _MIB
    return [
        _place("home", paths.home, "K1NB_HOME", 256 * _MIB, 2048 * _MIB),
        _place("cache", paths.cache, "K1NB_CACHE", least, 2 * least),
        _place("artifacts", paths.artifacts, "ARTIFACT_STORAGE_PATH", 64 * _MIB, 1024 * _MIB),
    ]


def _place(label: str, folder: Path, setting: str, least: int, comfortable: int) -> Place:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    ours = there != folder or folder.stat().st_uid == os.getuid()
    free = shutil.disk_usage(there).free
    return Place(label, folder, there, free, os.access(there, os.W_OK | os.X_OK), ours, setting, least, comfortable)


def ports(settings: Settings) -> list[Port]:
    """Return every port that a configured service wants, and who holds it."""
    ours = left_over(Supervisor(settings.paths, settings.timings))
    return [_port(name, end, ours) for name in configured(settings) for end in endpoints(settings, name)]


def _port(name: str, endpoint: Endpoint, ours: Sequence[psutil.Process]) -> Port:
    error = refusal(endpoint)
    if error is None:
        return Port(name, endpoint)
    if error.errno != errno.EADDRINUSE:
        return Port(name, endpoint, refused=error.strerror or str(error))
    if own := holding(endpoint, ours):
        return Port(name, endpoint, Holder(own.name(), own.pid, service_name(own)))
    if stranger := holding(endpoint, psutil.process_iter()):
        return Port(name, endpoint, Holder(stranger.name(), stranger.pid))
    return Port(name, endpoint, Holder("a program of another user"))


def kept(settings: Settings) -> list[Kept]:
    """Return the files that may hold secrets, as far as they are there: settings, and simulators' tokens."""
    files = [(settings.paths.settings_file, holds_secret(settings))]
    files += [(file, True) for file in sorted(settings.paths.simulators.glob("*/token"))]
    found = []
    for file, secret in files:
        with suppress(FileNotFoundError):
            facts = file.stat()
            found.append(Kept(file, facts.st_mode, facts.st_uid == os.getuid(), secret))
    return found


def projects(settings: Settings) -> Mapping[str, tuple[Path, str]]:
    """Return the firmware projects that are set, by name, each with its path and what is wrong with it."""
    from k1nb.firmware import repositories

    known = {name: found for name, found in repositories(settings).items() if not found.isolated}
    seen = {name: (found.path, _wrong_with(found.path, found.path / found.project)) for name, found in known.items()}
    project = settings.platformio_project_path
    if project is not None and not any(project.resolve().is_relative_to(r.path.resolve()) for r in known.values()):
        wrong = "no git repository is around it" if project.is_dir() else "there is no such folder"
        seen[project.name] = (project, wrong)
    return seen


def _wrong_with(top: Path, project: Path) -> str:
    if not (top / ".git").exists():
        return "it is no git clone" if top.is_dir() else "there is no such folder"
    return "" if (project / "platformio.ini").is_file() else f"there is no platformio.ini in {project}"


def jar(settings: Settings) -> Jar:
    """Return the server's jar; one whose sum was not verified before is read, which takes about a second."""
    path = SERVER.path_in(settings.cache / "maven")
    if not path.is_file():
        return Jar(path, SERVER.label, None)
    size = path.stat().st_size
    if verified_before(path, SERVER.sha256):
        marker = path.with_name(path.name + ".verified")
        return Jar(path, SERVER.label, size, True, datetime.fromtimestamp(marker.stat().st_mtime, UTC))
    return Jar(path, SERVER.label, size, sum_of(path) == SERVER.sha256)


def start_up(settings: Settings, java: Java | PrerequisiteError) -> StartUp | None:
    """Return what a fast start of the server needs; None where there is no jar or no Java."""
    path = SERVER.path_in(settings.cache / "maven")
    if isinstance(java, PrerequisiteError) or not path.is_file():
        return None
    files = boot_files(java, path, JAVA_OPTIONS, settings.cache)
    caches = set(files.folder.glob("*.aot"))
    size = files.classes.stat().st_size if files.classes in caches else None
    failed = files.failed.read_text(encoding="utf-8").strip() if size is None and files.failed.is_file() else ""
    return StartUp(
        folder=files.folder,
        supported=java.version >= FIRST_WITH_CACHE,
        unpacked=files.unpacked.is_file(),
        cache=files.classes,
        size=size,
        others=len(caches - {files.classes}),
        failed=failed,
    )


def left(settings: Settings) -> LeftOver:
    """Return what crashes have left of this home's processes, runs and folders."""
    from k1nb.firmware import building
    from k1nb.records import lost_runs

    paths = settings.paths
    host = _alive(paths.home / "workers.pid")
    return LeftOver(
        orphans=list(_orphans(settings)),
        builds=[] if host else [f"{process.name()} (pid {process.pid})" for process in building(paths)],
        pid_files=[f for f in (paths.home / "workers.pid", paths.runtime / "supervisord.pid") if _alive(f) is False],
        runs=lost_runs(paths),
        folders=[*_abandoned(paths.builds), *_scratch(paths.cache / "server")],
    )


def _orphans(settings: Settings) -> Iterator[str]:
    supervisor = Supervisor(settings.paths, settings.timings)
    if supervisor.answers():
        return
    for process in left_over(supervisor):
        with suppress(psutil.Error):
            yield f"{service_name(process) or process.name()} (pid {process.pid})"


def _alive(pid_file: Path) -> bool | None:
    """Tell whether the process that a pid file names lives; None where there is no such file.

    One that began after the file was written was given the pid anew.
    """
    try:
        process = psutil.Process(int(pid_file.read_text(encoding="utf-8")))
        known = process.status() != psutil.STATUS_ZOMBIE
        return known and process.create_time() < pid_file.stat().st_mtime + _CLOCK
    except OSError:
        return None
    except (psutil.Error, ValueError):
        return False


def _abandoned(builds: Path) -> Iterator[Path]:
    for folder in _folders(builds, "*"):
        if datetime.now(UTC) - datetime.fromtimestamp(folder.stat().st_mtime, UTC) > ABANDONED:
            yield folder


def _scratch(server: Path) -> Iterator[Path]:
    for place in _folders(server, "*"):
        for pattern in _SCRATCH:
            yield from (f for f in _folders(place, pattern) if time.time() - f.stat().st_mtime > 3600)


def _folders(parent: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(parent.glob(pattern)) if path.is_dir())


def inventory(settings: Settings) -> tuple[list[Device] | K1Error, Path]:
    """Return the devices of the inventory, or why it cannot be read; and its file."""
    from k1nb.device import Inventory

    there = Inventory(settings.paths)
    try:
        return there.list(), there.file
    except K1Error as error:
        return error, there.file


def default(settings: Settings) -> Device | K1Error | None:
    """Return the device that is meant when none is named, or why K1_DEVICE_IP means none."""
    from k1nb.device import default_device

    try:
        return default_device(settings)
    except K1Error as error:
        return error


def memory() -> tuple[int, int]:
    """Return the available and the whole memory, in MiB."""
    seen = psutil.virtual_memory()
    return seen.available // _MIB, seen.total // _MIB


def python() -> tuple[str, str]:
    """Return the version of this Python and where it lives."""
    return ".".join(map(str, sys.version_info[:3])), sys.prefix
