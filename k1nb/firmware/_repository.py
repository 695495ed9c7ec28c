"""The git repositories that can be built, and their commits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from k1nb.config import Settings
from k1nb.errors import CommitError, UnknownName
from k1nb.firmware._git import attempt, git
from k1nb.firmware._image import SAMPLE_PROJECT
from k1nb.paths import Paths

_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository with a PlatformIO project in it."""

    name: str
    path: Path
    """Its top folder."""
    project: str
    """Folder of `platformio.ini`, relative to `path`; `.` for the top."""
    core_dir: Path | None = None
    """Its own PLATFORMIO_CORE_DIR; only the sample repository has one."""

    @property
    def isolated(self) -> bool:
        """Tell whether the repository is ours, so that the user's git settings are none of its business."""
        return self.core_dir is not None


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; `sha` has 40 hex digits, `time` is Unix seconds."""

    sha: str
    time: int
    subject: str


def repositories(settings: Settings) -> dict[str, Repository]:
    """Return what can be built, by name: as set, around PLATFORMIO_PROJECT_PATH, and the demo's sample."""
    found = [
        *_sample(settings.paths),
        *_around(settings.platformio_project_path),
        *(Repository(name, path, _project(path)) for name, path in settings.repositories.items()),
    ]
    return {repository.name: repository for repository in found}


def repository(settings: Settings, name: str) -> Repository:
    """Return the repository of that name; UnknownName lists what is known."""
    known = repositories(settings)
    if name in known:
        return known[name]
    there = f"known are {', '.join(sorted(known))}" if known else "none is set"
    one = next(iter(known)) if len(known) == 1 else "NAME"
    given = f"--repo {one} (in notebooks repo={one}), or " if known else ""
    raise UnknownName(
        f"no repository {name!r}: {there}",
        hint=f"{given}set PLATFORMIO_PROJECT_PATH to the PlatformIO project in its git clone,"
        """ or K1NB_REPOSITORIES to '{"NAME": "/path/to/clone"}'""",
    )


def sample_repository(paths: Paths) -> Repository:
    """Return where the demo's repository of sample firmware is, whether or not it has been made."""
    return Repository(SAMPLE_PROJECT, paths.sample_repository, "firmware", paths.cache / "platformio-sample")


def resolve_commit(repository: Repository, commit_sha: str, *, branch: str | None = None) -> Commit:
    """Return the commit of 7 to 40 hex digits, reachable from `branch` where one is given.

    Raises CommitError for malformed, all-zero, unknown and ambiguous ones, and for those not on the branch.
    """
    if not _SHA.fullmatch(commit_sha) or not commit_sha.strip("0"):
        raise CommitError(
            f"{commit_sha!r} is no commit: 7 to 40 lower-case hex digits are wanted, not all of them zero",
            hint=f"git -C {repository.path} log --oneline",
        )
    sha = _resolve(repository, commit_sha)
    time, subject = git(
        repository.path, "show", "-s", "--no-show-signature", "--format=%ct%n%s", sha, isolated=repository.isolated
    ).split("\n", 1)
    if branch is not None:
        _require_on(repository, sha, branch)
    return Commit(sha, int(time), subject)


def _sample(paths: Paths) -> list[Repository]:
    sample = sample_repository(paths)
    return [sample] if (sample.path / ".git").exists() else []


def _around(project: Path | None) -> list[Repository]:
    """Return the repository around a PlatformIO project, if there is one."""
    if project is None or not project.is_dir():
        return []
    answer = attempt(project, "rev-parse", "--show-toplevel")
    if answer.returncode != 0:
        return []
    top = Path(answer.stdout.rstrip("\n"))
    return [Repository(top.name, top, project.resolve().relative_to(top.resolve()).as_posix())]


def _project(top: Path) -> str:
    return "firmware" if (top / "firmware" / "platformio.ini").is_file() else "."


def _resolve(repository: Repository, commit_sha: str) -> str:
    answer = attempt(repository.path, "rev-parse", "--verify", f"{commit_sha}^{{commit}}", isolated=repository.isolated)
    sha = answer.stdout.strip()
    # rev-parse prefers a branch or tag whose name looks like hex
    if answer.returncode == 0 and sha.startswith(commit_sha):
        return sha
    where = f"repository {repository.name} ({repository.path})"
    if "ambiguous" in answer.stderr:
        raise CommitError(f"{commit_sha} fits several commits in {where}", hint="give more digits")
    if "Needed a single revision" in answer.stderr or answer.returncode == 0:
        raise CommitError(f"no commit {commit_sha} in {where}", hint=f"git -C {repository.path} fetch")
    said = " ".join(answer.stderr.split())
    raise CommitError(f"cannot read {where}: {said}", hint="is it a git repository of yours?")


def _require_on(repository: Repository, sha: str, branch: str) -> None:
    path, isolated = repository.path, repository.isolated
    names = (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}")
    there = [n for n in names if attempt(path, "show-ref", "--verify", n, isolated=isolated).returncode == 0]
    if not there:
        raise CommitError(f"repository {repository.name} has no branch {branch!r}", hint=f"git -C {path} branch --all")
    for name in there:
        if attempt(path, "merge-base", "--is-ancestor", sha, name, isolated=isolated).returncode == 0:
            return
    raise CommitError(
        f"commit {sha[:12]} is not on branch {branch!r} of repository {repository.name}",
        hint=f"git -C {path} branch --all --contains {sha[:12]}",
    )
