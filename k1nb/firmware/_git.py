"""Git as a program, without the user's hooks, without questions, and without the caller's git variables."""

from __future__ import annotations

import subprocess
from pathlib import Path

from k1nb.config import bare_environment
from k1nb.errors import CommitError, PrerequisiteError

_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "gc.auto": "0",
    "advice.detachedHead": "false",
    # only the sample repository is ever committed to in its checkout
    "user.name": "k1nb demo",
    "user.email": "demo@k1nb.invalid",
}


def command(folder: Path, *arguments: str) -> list[str]:
    """Return the argument list of a git command in a folder."""
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return ["git", *settings, "-C", str(folder), *arguments]


def environment(*, isolated: bool = False) -> dict[str, str]:
    """Return the environment for git; an isolated one also leaves out the user's and the system's settings."""
    changes = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
    if isolated:
        changes |= {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    kept = {name: value for name, value in bare_environment().items() if not name.startswith("GIT_")}
    return kept | changes


def attempt(folder: Path, *arguments: str, isolated: bool = False, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run git to its end, whatever its exit code; raises PrerequisiteError where there is no git."""
    try:
        return subprocess.run(
            command(folder, *arguments),
            env=environment(isolated=isolated),
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise PrerequisiteError("git is not installed", hint="install git 2.20 or newer") from error


def git(folder: Path, *arguments: str, isolated: bool = False) -> str:
    """Return what git prints, without the last newline; raises CommitError in git's own words."""
    answer = attempt(folder, *arguments, isolated=isolated)
    if answer.returncode != 0:
        said = " ".join((answer.stderr or answer.stdout).split()) or f"exit code {answer.returncode}"
        raise CommitError(f"git {arguments[0]} failed in {folder}: {said}", hint=f"run git -C {folder} status")
    return answer.stdout.rstrip("\n")
