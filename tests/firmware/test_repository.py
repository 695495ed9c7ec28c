"""Facts about repositories and commits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import CommitError, UnknownName
from k1nb.firmware import Repository, ensure_sample_repository, repositories, repository, resolve_commit


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *identity, "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """A repository with two commits on main, and one on a side branch."""
    path = tmp_path / "K1.node1"
    (path / "firmware").mkdir(parents=True)
    (path / "firmware" / "platformio.ini").write_text("[env:e]\n")
    _git(path, "init", "--quiet")
    _git(path, "add", ".")
    for subject in ("one", "two: with\ttab and ünïcode"):
        _git(path, "commit", "--quiet", "--allow-empty", "--message", subject)
    _git(path, "checkout", "--quiet", "-b", "side")
    _git(path, "commit", "--quiet", "--allow-empty", "--message", "three")
    _git(path, "checkout", "--quiet", "main")
    return Repository("K1.node1", path, "firmware")


def _settings(tmp_path: Path, **values: object) -> Settings:
    return Settings.model_validate({"home": tmp_path / "home", "cache": tmp_path / "cache", **values})


def test_commit_is_found_by_its_digits(clone: Repository) -> None:
    """A commit is found by 7 to 40 digits, with its time and subject."""
    sha = _git(clone.path, "rev-parse", "main")
    commit = resolve_commit(clone, sha[:7], branch="main")
    assert (commit.sha, commit.subject) == (sha, "two: with\ttab and ünïcode")
    assert commit.time == int(_git(clone.path, "show", "-s", "--format=%ct", sha))
    assert resolve_commit(clone, sha) == commit


@pytest.mark.parametrize(
    ("sha", "fault"),
    [
        ("", "is no commit"),
        ("main", "is no commit"),
        ("HEAD", "is no commit"),
        ("--help", "is no commit"),
        ("abc123", "is no commit"),
        ("ABCDEF1", "is no commit"),
        ("abcdef1\n", "is no commit"),
        ("0" * 40, "is no commit"),
        ("0" * 7, "is no commit"),
        ("f" * 41, "is no commit"),
        ("fffffff", "no commit fffffff in repository K1.node1"),
        ("f" * 40, "no commit ffff"),
    ],
)
def test_malformed_and_unknown_commits_are_refused(clone: Repository, sha: str, fault: str) -> None:
    """Names, options, wrong lengths, all zeros and digits of nothing are no commits."""
    with pytest.raises(CommitError, match=fault) as caught:
        resolve_commit(clone, sha)
    assert caught.value.hint


def test_other_objects_are_no_commits(clone: Repository) -> None:
    """The digits of a tree name no commit."""
    with pytest.raises(CommitError):
        resolve_commit(clone, _git(clone.path, "rev-parse", "main^{tree}"))


def test_branch_named_like_a_commit_does_not_deceive(clone: Repository) -> None:
    """A branch whose name looks like hex digits is not taken for a commit."""
    _git(clone.path, "branch", "deadbeef")
    with pytest.raises(CommitError, match="no commit deadbeef"):
        resolve_commit(clone, "deadbeef")


def test_commit_must_be_on_the_branch(clone: Repository) -> None:
    """A commit of another branch is refused, one that the branch contains is not."""
    side, main = _git(clone.path, "rev-parse", "side"), _git(clone.path, "rev-parse", "main")
    assert resolve_commit(clone, main, branch="side").sha == main
    with pytest.raises(CommitError, match="is not on branch 'main'"):
        resolve_commit(clone, side, branch="main")
    with pytest.raises(CommitError, match="has no branch 'nope'"):
        resolve_commit(clone, main, branch="nope")


def test_branch_of_origin_counts(clone: Repository, tmp_path: Path) -> None:
    """A branch that only the remote has is known too."""
    side = _git(clone.path, "rev-parse", "side")
    _git(tmp_path, "clone", "--quiet", str(clone.path), "copy")
    assert resolve_commit(Repository("copy", tmp_path / "copy", "."), side, branch="side").sha == side


def test_no_repository_is_said(tmp_path: Path) -> None:
    """A folder that is no git repository is refused in git's words."""
    with pytest.raises(CommitError, match="not a git repository"):
        resolve_commit(Repository("x", tmp_path, "."), "abcdef1")


def test_caller_inside_a_hook_does_not_confuse(
    clone: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The git variables that a hook's child inherits are not ours to follow."""
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    sha = (clone.path / ".git" / "refs" / "heads" / "main").read_text().strip()
    assert resolve_commit(clone, sha).sha == sha


def test_repository_around_the_project_is_known(clone: Repository, tmp_path: Path) -> None:
    """PLATFORMIO_PROJECT_PATH makes the git repository around it known, by its folder's name."""
    settings = _settings(tmp_path, platformio_project_path=clone.path / "firmware")
    assert repositories(settings) == {"K1.node1": clone}
    assert repository(settings, "K1.node1") == clone


def test_repositories_that_are_set_are_known(clone: Repository, tmp_path: Path) -> None:
    """Repositories of the settings have the name given there; the project is found in `firmware` or at the top."""
    (tmp_path / "flat").mkdir()
    settings = _settings(tmp_path, repositories={"k1": clone.path, "flat": tmp_path / "flat"})
    assert repositories(settings) == {
        "k1": Repository("k1", clone.path, "firmware"),
        "flat": Repository("flat", tmp_path / "flat", "."),
    }


def test_sample_is_known_once_it_is_made(tmp_path: Path) -> None:
    """The demo's repository is there after it was made, with a PlatformIO core folder of its own."""
    settings = _settings(tmp_path)
    assert repositories(settings) == {}
    made = ensure_sample_repository(settings.paths)
    assert repository(settings, "k1nb-sample") == made
    assert made.core_dir == tmp_path / "cache" / "platformio-sample"


def test_unknown_name_lists_what_is_known(clone: Repository, tmp_path: Path) -> None:
    """An unknown repository is refused with the names of the known ones; a project outside of git adds none."""
    with pytest.raises(UnknownName, match="known are K1"):
        repository(_settings(tmp_path, repositories={"K1": clone.path}), "K2")
    with pytest.raises(UnknownName, match="none is set") as caught:
        repository(_settings(tmp_path, platformio_project_path=tmp_path), "K2")
    assert "PLATFORMIO_PROJECT_PATH" in (caught.value.hint or "")
