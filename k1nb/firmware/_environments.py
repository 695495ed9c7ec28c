"""The PlatformIO environments that a commit has."""

from __future__ import annotations

import configparser

from k1nb.errors import UsageError
from k1nb.firmware._branch import read_file
from k1nb.firmware._repository import Commit, Repository

_SECTION = "env:"


def environments(repository: Repository, commit: Commit) -> tuple[str, ...] | None:
    """Return the environments in a commit's platformio.ini; None where that cannot be read, or others add to it."""
    folder = "" if repository.project == "." else f"{repository.project}/"
    text = read_file(repository, commit.sha, f"{folder}platformio.ini")
    return environments_in(text) if text is not None else None


def environments_in(text: str) -> tuple[str, ...] | None:
    """Return the environments of a platformio.ini; None where it is none, or names further files."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, inline_comment_prefixes=("#", ";"), default_section="\0"
    )
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    if parser.has_option("platformio", "extra_configs"):
        return None
    return tuple(name.removeprefix(_SECTION).strip() for name in parser.sections() if name.startswith(_SECTION))


def require_environment(repository: Repository, commit: Commit, environment: str) -> None:
    """Raise UsageError where a commit is known to have no such environment, or where the name can be none."""
    if not environment.isprintable() or not environment.strip():
        raise UsageError(
            f"{environment!r} is no name of a PlatformIO environment",
            hint="it is what stands behind `env:` in the repository's platformio.ini",
        )
    known = environments(repository, commit)
    if known is not None and environment not in known:
        raise UsageError(
            f"{repository.name} has no environment {environment!r} at commit {commit.sha[:12]}",
            hint=f"it has {', '.join(known)}" if known else "its platformio.ini has none",
        )
