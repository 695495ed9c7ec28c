"""Builds: a commit, checked out into a folder of its own, compiled by PlatformIO."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from k1nb._process import run_child
from k1nb.config import bare_environment
from k1nb.errors import BuildError, CommitError, UsageError
from k1nb.firmware import _git
from k1nb.firmware._build_log import read_fault, tail
from k1nb.firmware._image import stamp_of
from k1nb.firmware._left_over import BUILD_DIR
from k1nb.firmware._repository import Commit, Repository
from k1nb.firmware._toolchain import prepare_core
from k1nb.paths import Paths, private, unwritable
from k1nb.timings import Timings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_NO_NAMES = ("null", "None", "undefined")
_CHECKOUTS = 3
_TOOL_FOLDERS = ("CORE_DIR", "PLATFORMS_DIR", "PACKAGES_DIR", "CACHE_DIR", "GLOBALLIB_DIR")
_STAMP_MACRO = "ARDUINO_ESP32_RELEASE_3_0_0"
"""The core of the K1 does not define it, and its firmware shows it where it is defined; nothing else there uses it."""
_PLATFORMIO = {
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
    "PLATFORMIO_NO_ANSI": "true",
    "LC_ALL": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build."""

    image: Path
    log: Path
    tail: str
    """The log's last 200 lines, at most 64 KiB."""
    seconds: float
    stamp: str | None
    """The commit's build stamp if the image carries it."""


def build_folder(paths: Paths, name: str) -> Path:
    """Return the folder of that name below the build root; UsageError for whatever would lie elsewhere."""
    folder = paths.builds / name if _NAME.fullmatch(name) and name not in _NO_NAMES else None
    if folder is None or folder.is_symlink():
        raise UsageError(
            f"{name!r} is no build folder below {paths.builds}",
            hint="give a plain name of letters, digits, dots, dashes and underscores",
        )
    return folder


def clean_build_folder(paths: Paths, name: str) -> Path:
    """Make a build folder empty and return it; raises UsageError as `build_folder`, StorageError."""
    remove_build_folder(paths, name)
    return private(build_folder(paths, name))


def remove_build_folder(paths: Paths, name: str) -> bool:
    """Remove a build folder and what git knows of its worktree; tell whether there was one."""
    folder = build_folder(paths, name)
    there = folder.is_dir()
    _discard(folder / "source")
    _remove(folder)
    return there


async def build_commit(
    repository: Repository,
    commit: Commit,
    environment: str,
    folder: Path,
    log: Path,
    timings: Timings,
    *,
    stamp: bool = False,
) -> Build:
    """Build one environment of a commit in `folder/source`, a git worktree; the log is written anew.

    The same commit gives the same bytes in every folder, as far as its project allows: SOURCE_DATE_EPOCH is
    the commit's time, COMMIT_SHA its name, and paths below the worktree are mapped to `.`. With `stamp` the commit's
    stamp is defined as the macro that the K1's firmware shows as `build.arduino_release`.
    Raises BuildError with the compiler's words; it is not final where a download failed, a signal
    ended the build or a part of it, or it ended without a word. A cancellation ends the whole process group.
    """
    if not _ENVIRONMENT.fullmatch(environment):
        raise BuildError(f"{environment!r} is no name of a PlatformIO environment", hint=_environments(repository))
    source = await asyncio.to_thread(_prepare, repository, folder, log)
    await check_out(repository, commit, source, log, timings)
    project = source / repository.project
    finished = await run_child(
        [sys.executable, "-m", "platformio", "run", f"--environment={environment}"],
        cwd=project,
        env=_build_environment(repository, commit, source, project, stamp=stamp),
        log=log,
        stop_within=timings.child_stop,
    )
    image = project / ".pio" / "build" / environment / "firmware.bin"
    return await asyncio.to_thread(_finish, commit, image, log, finished.exit_code, finished.seconds)


def _prepare(repository: Repository, folder: Path, log: Path) -> Path:
    """Make ready what a build writes to and return where its worktree goes."""
    if repository.core_dir is not None:
        prepare_core(repository.core_dir)
    try:
        log.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(log, error) from error
    return private(folder).resolve() / "source"


def _finish(commit: Commit, image: Path, log: Path, exit_code: int, seconds: float) -> Build:
    text = log.read_text(encoding="utf-8", errors="replace")
    what = f"commit {commit.sha[:12]}"
    if exit_code < 0:
        raise BuildError(f"the build of {what} was ended by signal {-exit_code}", final=False, hint=f"see {log}")
    if exit_code > 0:
        fault = read_fault(text)
        verb = "does not build" if fault.final else "was not built this time"
        raise BuildError(f"{what} {verb}: {fault.text}", final=fault.final, hint=f"see {log}")
    try:
        data = image.read_bytes()
    except OSError as error:
        raise BuildError(f"the build of {what} succeeded, but left no {image.name}", hint=f"see {log}") from error
    stamp = stamp_of(commit.sha)
    return Build(image, log, tail(text), seconds, stamp if stamp.encode() in data else None)


async def check_out(repository: Repository, commit: Commit, source: Path, log: Path, timings: Timings) -> None:
    """Check a commit out as a worktree at `source`, which is made anew; what git says goes to `log`.

    Git holds short locks meanwhile, so a refusal is tried again; then CommitError is raised.
    """
    words = ("worktree", "add", "--quiet", "--force", "--detach", str(source), commit.sha)
    command = _git.command(repository.path, *words)
    for number in range(1, _CHECKOUTS + 1):
        await asyncio.to_thread(_discard, source)
        finished = await run_child(
            command,
            cwd=repository.path,
            env=_git.environment(isolated=repository.isolated),
            log=log,
            stop_within=timings.child_stop,
        )
        if finished.exit_code == 0:
            return
        if number < _CHECKOUTS:
            await asyncio.sleep(timings.reconnect_first * 2**number)
    said = await asyncio.to_thread(lambda: tail(log.read_text(encoding="utf-8", errors="replace")))
    raise CommitError(
        f"cannot check out {commit.sha[:12]} of {repository.name}: {' '.join(said.split())}", hint=f"see {log}"
    )


def _build_environment(
    repository: Repository, commit: Commit, source: Path, project: Path, *, stamp: bool
) -> dict[str, str]:
    """Return the environment of the build: nothing of the caller's PlatformIO but where it keeps its tools."""
    kept = () if repository.core_dir else tuple(f"PLATFORMIO_{name}" for name in _TOOL_FOLDERS)
    foreign = ("PLATFORMIO_", "GIT_")
    outer = {n: v for n, v in bare_environment().items() if n in kept or not n.startswith(foreign)}
    flags = [shlex.quote(f"-ffile-prefix-map={source}=.")]
    if stamp:
        flags.append(f"'-D{_STAMP_MACRO}=\"{stamp_of(commit.sha)}\"'")
    inner = {
        "COMMIT_SHA": commit.sha,
        "SOURCE_DATE_EPOCH": str(commit.time),
        BUILD_DIR: str(project / ".pio" / "build"),
        "PLATFORMIO_BUILD_FLAGS": " ".join(flags),
    }
    own = {"PLATFORMIO_CORE_DIR": str(repository.core_dir)} if repository.core_dir else {}
    return outer | _PLATFORMIO | inner | own


def _environments(repository: Repository) -> str:
    return f"give one of the environments in {repository.path / repository.project / 'platformio.ini'}"


def _discard(source: Path) -> None:
    """Remove a worktree and git's note of it, whichever repository it came from."""
    common = _common_folder(source)
    _remove(source)
    if common is not None:
        _git.attempt(common, "worktree", "prune")


def _common_folder(source: Path) -> Path | None:
    """Return the git folder that a worktree's `.git` file points into, `…/worktrees/<name>` taken off."""
    try:
        pointer = (source / ".git").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    folder = Path(pointer.removeprefix("gitdir: ").strip())
    return folder.parents[1] if folder.parent.name == "worktrees" and folder.parents[1].is_dir() else None


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwritable(folder, error) from error
