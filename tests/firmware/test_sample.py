"""Facts about the sample repository."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from k1nb.errors import CommitError, StorageError
from k1nb.firmware import Repository, commit_change, ensure_sample_repository, resolve_commit
from k1nb.paths import Paths


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """A home of its own."""
    return Paths(tmp_path, tmp_path / "cache", tmp_path / "artifacts")


@pytest.fixture
def fresh(home: Paths) -> Repository:
    """A sample repository that nobody has changed."""
    return ensure_sample_repository(home)


def _git(repository: Repository, *arguments: str) -> str:
    command = ["git", "-C", str(repository.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_repository_has_one_commit_on_main(fresh: Repository) -> None:
    """A new sample repository is clean, on main, with one commit that holds the whole project."""
    assert _git(fresh, "status", "--porcelain", "--branch") == "## main"
    assert _git(fresh, "rev-list", "--count", "HEAD") == "1"
    assert (fresh.path / fresh.project / "platformio.ini").is_file()


def test_making_it_again_keeps_it(home: Paths, fresh: Repository) -> None:
    """An existing repository is left alone, a person's edits included."""
    (fresh.path / "note").write_text("mine")
    before = _git(fresh, "rev-parse", "HEAD")
    assert ensure_sample_repository(home) == fresh
    assert (_git(fresh, "rev-parse", "HEAD"), (fresh.path / "note").read_text()) == (before, "mine")


def test_two_at_once_make_one(home: Paths) -> None:
    """Two that want the repository at the same time get the same one, whole."""
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ensure_sample_repository, [home, home])
    assert first == second
    assert _git(first, "rev-list", "--count", "HEAD") == "1"


def test_what_is_in_the_way_is_kept(home: Paths) -> None:
    """A folder of somebody else's in that place is neither used nor removed."""
    home.sample_repository.mkdir(parents=True)
    (home.sample_repository / "file").touch()
    with pytest.raises(StorageError, match="in the way"):
        ensure_sample_repository(home)
    assert (home.sample_repository / "file").exists()


def test_each_change_is_another_commit(fresh: Repository) -> None:
    """Every change touches version and patterns, and can be built from main."""
    commits = [commit_change(fresh) for _ in range(12)]
    assert len({commit.sha for commit in commits}) == 12
    assert resolve_commit(fresh, commits[0].sha, branch="main") == commits[0]
    changed = _git(fresh, "show", "--format=", "--name-only", commits[-1].sha).split()
    assert changed == ["firmware/include/patterns.def", "firmware/include/version.h"]
    assert '"1.0.12"' in (fresh.path / "firmware/include/version.h").read_text()
    assert commits[0].subject == "Set the speed of lava to 2"


def test_own_files_can_be_committed(fresh: Repository) -> None:
    """Given files are written and committed under the given subject, and nothing else is."""
    (fresh.path / "note").write_text("mine")
    commit = commit_change(fresh, "Break it", {"firmware/src/main.c": "broken\n"})
    assert commit.subject == "Break it"
    assert _git(fresh, "show", "--format=", "--name-only", commit.sha) == "firmware/src/main.c"
    assert _git(fresh, "status", "--porcelain") == "?? note"


def test_no_change_is_no_commit(fresh: Repository) -> None:
    """Writing what is there already raises CommitError and adds nothing."""
    text = (fresh.path / "firmware/src/main.c").read_text()
    with pytest.raises(CommitError, match="nothing"):
        commit_change(fresh, "Nothing", {"firmware/src/main.c": text})
    assert _git(fresh, "rev-list", "--count", "HEAD") == "1"


def test_edited_beyond_recognition_is_said(fresh: Repository) -> None:
    """Where version or patterns cannot be found any more, the change is refused with the way back."""
    (fresh.path / "firmware/include/version.h").write_text("#define FIRMWARE_VERSION one\n")
    with pytest.raises(CommitError, match="cannot be changed") as caught:
        commit_change(fresh)
    assert "git restore" in (caught.value.hint or "")


def test_users_git_settings_do_not_matter(home: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing, hooks, templates and line endings of the user's git neither stop nor change a commit."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[commit]\ngpgsign = true\n[core]\nhooksPath = {hooks}\nautocrlf = true\n[init]\ntemplateDir = {tmp_path}\n"
        "[user]\nname = Somebody\nemail = somebody@example.org\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody else")
    commit = commit_change(ensure_sample_repository(home))
    assert _git(ensure_sample_repository(home), "show", "-s", "--format=%an %cn", commit.sha) == "k1nb demo k1nb demo"
