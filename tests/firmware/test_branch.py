"""Commits onto a branch that nobody has checked out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from k1nb.errors import CommitError
from k1nb.firmware import (
    Repository,
    branch_head,
    commit_change,
    commit_on_branch,
    ensure_sample_repository,
    files_with,
    read_file,
    resolve_commit,
)
from k1nb.paths import Paths

BRANCH = "tests"
ONE = {"firmware/src/one.cpp": 'int one;\n/* "ä" */\n'}


@pytest.fixture
def fresh(tmp_path: Path) -> Repository:
    """A sample repository that nobody has changed."""
    return ensure_sample_repository(Paths(tmp_path, tmp_path / "cache", tmp_path / "artifacts"))


def _git(repository: Repository, *arguments: str) -> str:
    command = ["git", "-C", str(repository.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _head(repository: Repository, branch: str = "main") -> str:
    head = branch_head(repository, branch)
    assert head is not None
    return head


def test_a_commit_has_its_base_and_the_files_and_touches_no_checkout(fresh: Repository) -> None:
    """The new branch has main's tree and the files; somebody's edits, staged and not, stay as they are."""
    (fresh.path / "firmware/src/main.c").write_text("mine\n")
    (fresh.path / "note").write_text("staged\n")
    _git(fresh, "add", "note")
    before = _git(fresh, "status", "--porcelain", "--branch")
    commit, new = commit_on_branch(fresh, BRANCH, _head(fresh), ONE, "Add one")
    assert (new, commit.subject) == (True, "Add one")
    assert _git(fresh, "diff", "--name-status", "main", commit.sha).split() == ["A", "firmware/src/one.cpp"]
    assert read_file(fresh, commit.sha, "firmware/src/one.cpp") == ONE["firmware/src/one.cpp"]
    assert resolve_commit(fresh, commit.sha, branch=BRANCH) == commit
    assert _git(fresh, "status", "--porcelain", "--branch") == before


def test_the_same_again_is_the_same_commit(fresh: Repository) -> None:
    """Whatever came between, the same files on the same base are found again and committed once."""
    base = _head(fresh)
    first, _ = commit_on_branch(fresh, BRANCH, base, ONE, "Add one")
    other, new = commit_on_branch(fresh, BRANCH, base, {"two": "2\n"}, "Add two")
    assert new
    assert commit_on_branch(fresh, BRANCH, base, ONE, "Add one") == (first, False)
    assert _head(fresh, BRANCH) == other.sha
    assert read_file(fresh, other.sha, "firmware/src/one.cpp") is None  # each is tested by itself


def test_the_branch_only_grows(fresh: Repository) -> None:
    """After main has moved on the next commit has main's new tree, and what was tested before stays reachable."""
    first, _ = commit_on_branch(fresh, BRANCH, _head(fresh), ONE, "Add one")
    moved = commit_change(fresh)
    second, _ = commit_on_branch(fresh, BRANCH, _head(fresh), ONE, "Add one")
    assert second.sha != first.sha
    assert _git(fresh, "show", "-s", "--format=%P", second.sha).split() == [first.sha, moved.sha]
    assert _git(fresh, "diff", "--name-only", moved.sha, second.sha) == "firmware/src/one.cpp"
    assert resolve_commit(fresh, first.sha, branch=BRANCH) == first


def test_a_branch_that_is_checked_out_is_left_alone(fresh: Repository, tmp_path: Path) -> None:
    """Committing would change what somebody sees: refused, with the way out."""
    _git(fresh, "worktree", "add", "-q", "-b", BRANCH, str(tmp_path / "elsewhere"))
    with pytest.raises(CommitError, match="is checked out") as refused:
        commit_on_branch(fresh, BRANCH, _head(fresh), ONE, "Add one")
    assert "worktree list" in (refused.value.hint or "")


def test_what_git_refuses_is_said(fresh: Repository) -> None:
    """Where git cannot move the branch, for somebody holds its lock, that is said in git's words; nothing is left."""
    (fresh.path / ".git" / "refs" / "heads" / f"{BRANCH}.lock").touch()
    with pytest.raises(CommitError, match="git takes no commit"):
        commit_on_branch(fresh, BRANCH, _head(fresh), ONE, "Add one")
    assert branch_head(fresh, BRANCH) is None


@pytest.mark.parametrize("path", ["../out", "/etc/x", "a//b", ".git/config", "a/.GIT/b", 'a"b', "a\nb", "a b", ""])
def test_no_path_leads_out_of_the_tree(fresh: Repository, path: str) -> None:
    """What git's import would not check is checked: nothing outside, nothing of git's own, nothing to be quoted."""
    with pytest.raises(CommitError, match="is no path"):
        commit_on_branch(fresh, BRANCH, _head(fresh), {path: "x"}, "Escape")
    assert branch_head(fresh, BRANCH) is None


def test_files_are_found_by_what_is_in_them(fresh: Repository) -> None:
    """A commit is searched and read without a checkout; what is not there is None, or nothing."""
    base = _head(fresh)
    assert files_with(fresh, base, "STRIP_LENGTH 160", "firmware/include") == ["firmware/include/strip.h"]
    assert files_with(fresh, base, "nothing of the kind", "firmware") == []
    assert read_file(fresh, base, "no/such/file") is None


def test_a_branch_of_the_origin_counts(fresh: Repository, tmp_path: Path) -> None:
    """A clone that never checked the branch out knows it from its origin."""
    _git(fresh, "branch", "release")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(fresh.path), str(clone)], check=True)
    assert branch_head(Repository("clone", clone, "firmware"), "release") == _head(fresh)
    assert branch_head(Repository("clone", clone, "firmware"), "nobody") is None
