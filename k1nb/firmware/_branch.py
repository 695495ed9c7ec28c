"""Commits onto a branch that nobody has checked out: no working tree, no index and no hook takes part."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Mapping

from k1nb.errors import CommitError
from k1nb.firmware._git import attempt, git
from k1nb.firmware._repository import Commit, Repository, resolve_commit

_AUTHOR = "K1 workbook <patterns@k1nb.invalid>"
_TRAILER = "Generated-From"
_TRIES = 3
_PART = re.compile(r"[\w.+-]+", re.ASCII)


def branch_head(repository: Repository, branch: str) -> str | None:
    """Return the commit that a branch is at, the clone's own before that of its origin; None where neither is."""
    for name in (f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"):
        answer = attempt(
            repository.path, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", isolated=repository.isolated
        )
        if answer.returncode == 0:
            return answer.stdout.strip()
    return None


def read_file(repository: Repository, commit_sha: str, path: str) -> str | None:
    """Return a text file as a commit has it; None where the commit has none of that path."""
    answer = attempt(repository.path, "cat-file", "blob", f"{commit_sha}:{path}", isolated=repository.isolated)
    return answer.stdout if answer.returncode == 0 else None


def files_with(repository: Repository, commit_sha: str, text: str, folder: str) -> list[str]:
    """Return the paths below a folder whose files have a text in them, as a commit has them."""
    answer = attempt(
        repository.path, "grep", "--fixed-strings", "--name-only", "-e", text, commit_sha, "--", folder,
        isolated=repository.isolated,
    )  # fmt: skip
    return [line.partition(":")[2] for line in answer.stdout.splitlines()]


def commit_on_branch(
    repository: Repository, branch: str, base: str, files: Mapping[str, str], subject: str
) -> tuple[Commit, bool]:
    """Commit `base`, a commit, with these files written over it onto a branch; return the commit, and if it is new.

    The branch only grows: its head and `base` are the parents, so that what was tested before stays reachable, while
    the tree is that of `base` and these files alone. The same files on the same base are the same commit. Raises
    CommitError where the branch is checked out somewhere, or git refuses.
    """
    _require_paths(files)
    _require_free(repository, branch)
    digest = _digest(base, files)
    tree = git(repository.path, "rev-parse", "--verify", f"{base}^{{tree}}", isolated=repository.isolated)
    for left in reversed(range(_TRIES)):
        head = attempt(repository.path, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}",
                       isolated=repository.isolated).stdout.strip()  # fmt: skip
        if head and (known := _find(repository, head, digest)):
            return resolve_commit(repository, known), False
        message = f"{subject}\n\n{_TRAILER}: {digest}\n"
        stream = _stream(branch, _parents(repository, head, base), tree, files, message)
        answer = attempt(repository.path, "fast-import", "--quiet", "--done", isolated=repository.isolated,
                         stdin=stream)  # fmt: skip
        if answer.returncode == 0:
            return resolve_commit(repository, answer.stdout.strip()), True
        if not left:
            raise _refused(repository, branch, answer.stderr)
    raise AssertionError("unreachable: the last try returns or raises")


def _digest(base: str, files: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([base, dict(files)], sort_keys=True).encode()).hexdigest()


def _find(repository: Repository, head: str, digest: str) -> str | None:
    found = git(
        repository.path, "log", "--max-count=1", "--format=%H", "--fixed-strings", f"--grep={_TRAILER}: {digest}", head,
        isolated=repository.isolated,
    )  # fmt: skip
    return found or None


def _parents(repository: Repository, head: str, base: str) -> list[str]:
    if not head or _contains(repository, base, head):
        return [base]
    return [head] if _contains(repository, head, base) else [head, base]


def _contains(repository: Repository, commit: str, ancestor: str) -> bool:
    answer = attempt(repository.path, "merge-base", "--is-ancestor", ancestor, commit, isolated=repository.isolated)
    return answer.returncode == 0


def _stream(branch: str, parents: list[str], tree: str, files: Mapping[str, str], message: str) -> str:
    """Return what fast-import reads; it refuses to leave a head out that appeared meanwhile."""
    by = f"{_AUTHOR} {int(time.time())} +0000"
    merges = [f"merge {parent}" for parent in parents[1:]]
    head = (f"commit refs/heads/{branch}", "mark :1", f"author {by}", f"committer {by}", _data(message))
    whole = (f"from {parents[0]}", *merges, f'M 040000 {tree} ""')
    written = (f"M 100644 inline {path}\n{_data(text)}" for path, text in files.items())
    return "\n".join((*head, *whole, *written, "get-mark :1", "done", ""))


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def _require_paths(paths: Iterable[str]) -> None:
    """Raise CommitError for a path that leads out of the tree, or needs quoting: git's import checks neither."""
    for path in paths:
        parts = path.split("/")
        if not all(_PART.fullmatch(part) for part in parts) or {".", "..", ".git"} & {part.lower() for part in parts}:
            raise CommitError(f"{path!r} is no path for a generated file", hint="plain names with slashes are wanted")


def _require_free(repository: Repository, branch: str) -> None:
    shown = git(repository.path, "worktree", "list", "--porcelain", isolated=repository.isolated)
    if f"branch refs/heads/{branch}" in shown.splitlines():
        raise CommitError(
            f"branch {branch} of {repository.name} is checked out: committing to it would change a working tree",
            hint=f"check out another branch there: git -C {repository.path} worktree list",
        )


def _refused(repository: Repository, branch: str, said: str) -> CommitError:
    return CommitError(
        f"git takes no commit onto branch {branch} of {repository.name}: {' '.join(said.split())[:500]}",
        hint=f"git -C {repository.path} fsck; the disk may be full or the repository read-only",
    )
