"""The demo's git repository of sample firmware."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from k1nb.errors import CommitError, StorageError
from k1nb.firmware._git import git
from k1nb.firmware._repository import Commit, Repository, resolve_commit, sample_repository
from k1nb.paths import Paths, private, share, unwritable, write_text

_VERSION_FILE = "firmware/include/version.h"
_PATTERNS_FILE = "firmware/include/patterns.def"
_VERSION = re.compile(r'(#define FIRMWARE_VERSION "\d+\.\d+\.)(\d+)"')
_PATTERN = re.compile(r"^(?:FIRST_)?PATTERN\((?P<id>\w+), .*(?:true|false), (?P<speed>\d+)(?=, \d+\)$)", re.MULTILINE)
_SPEEDS = 9
_MADE = (".pio", "__pycache__", "node_modules", "dist")
"""What builds leave in a checkout of k1nb; the repository starts without."""


def ensure_sample_repository(paths: Paths) -> Repository:
    """Return the repository of sample firmware, made from what k1nb ships if it is not there.

    An existing one is left as it is, for people edit it. Raises StorageError where it cannot be made.
    """
    repository = sample_repository(paths)
    with _lock(repository):
        if (repository.path / ".git").is_dir():
            return repository
        if repository.path.exists():
            raise StorageError(f"{repository.path} is in the way: it is no git repository", hint="move it away")
        fresh = repository.path.with_name(f".{repository.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            _copy(share("data") / "sample-firmware", fresh)
            git(fresh, "init", "--quiet", "--initial-branch=main", isolated=True)
            _commit(fresh, "Sample firmware as it comes with k1nb", ["."])
            fresh.rename(repository.path)
        except OSError as error:
            raise unwritable(repository.path, error) from error
        return repository


def commit_change(repository: Repository, subject: str | None = None, files: Mapping[str, str] | None = None) -> Commit:
    """Commit a change of the sample firmware that gives another image, and return the commit.

    Without `files` the version is counted up and the next pattern's speed changed; with them those texts are
    written, by path relative to the repository. Raises CommitError where nothing would change.
    """
    with _lock(repository):
        summary, texts = _bump(repository.path) if files is None else ("Change the sample firmware", files)
        for name, text in texts.items():
            write_text(repository.path / name, text, mode=0o644)
        _commit(repository.path, subject or summary, list(texts))
        return resolve_commit(repository, git(repository.path, "rev-parse", "HEAD", isolated=True))


def _lock(repository: Repository) -> FileLock:
    """Return the lock under which the repository is made and committed to."""
    folder = private(repository.path.parent)
    return FileLock(folder / f".{repository.name}.lock", mode=0o600)


def _copy(source: Path, target: Path) -> None:
    # contents only: an installed package may be read-only
    shutil.copytree(source, target, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(*_MADE))


def _commit(folder: Path, subject: str, names: list[str]) -> None:
    git(folder, "add", "--", *names, isolated=True)
    git(folder, "commit", "--quiet", "--message", subject, "--", *names, isolated=True)


def _bump(folder: Path) -> tuple[str, dict[str, str]]:
    """Return what the next change is called and the two files it changes."""
    try:
        version = (folder / _VERSION_FILE).read_text(encoding="utf-8")
        patterns = (folder / _PATTERNS_FILE).read_text(encoding="utf-8")
    except OSError as error:
        raise _not_ours(folder, f"{error.filename} cannot be read") from error
    number = _VERSION.search(version)
    lines = list(_PATTERN.finditer(patterns))
    if number is None or not lines:
        raise _not_ours(folder, f"there is no version in {_VERSION_FILE} or no pattern in {_PATTERNS_FILE}")
    count = int(number[2]) + 1
    line = lines[count % len(lines)]
    speed = int(line["speed"]) % _SPEEDS + 1
    faster = patterns[: line.start("speed")] + str(speed) + patterns[line.end("speed") :]
    subject = f"Set the speed of {line['id']} to {speed}"
    return subject, {_VERSION_FILE: _VERSION.sub(rf'\g<1>{count}"', version, count=1), _PATTERNS_FILE: faster}


def _not_ours(folder: Path, fault: str) -> CommitError:
    return CommitError(
        f"the sample repository {folder} cannot be changed: {fault}",
        hint="put the file back (git restore), or move the repository away to have it made anew",
    )
