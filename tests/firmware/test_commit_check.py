"""A repository's own check of its commits."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.errors import CommitError, PrerequisiteError
from k1nb.firmware import Commit, Repository, check_commit, commit_change, ensure_sample_repository
from k1nb.timings import Timings


@pytest.fixture
def committed(settings: Settings) -> tuple[Repository, Commit]:
    """A repository and its newest commit."""
    repository = ensure_sample_repository(settings.paths)
    return repository, commit_change(repository, "Say so", {"said.txt": "committed\n"})


def check(settings: Settings, committed: tuple[Repository, Commit], *argv: str, timings: Timings | None = None) -> None:
    """Check the commit."""
    place, log = settings.paths.builds / "check", settings.paths.logs / "check.log"
    asyncio.run(check_commit(*committed, argv, place, log, timings or settings.timings))


def python(code: str) -> tuple[str, ...]:
    """Return a program that runs this code."""
    return (sys.executable, "-c", code)


def test_it_looks_at_the_commit_and_not_at_the_work(settings: Settings, committed: tuple[Repository, Commit]) -> None:
    """The program stands in a checkout of the commit, whatever the working folder has by now, and knows its name."""
    (committed[0].path / "said.txt").write_text("not committed\n")
    sha = committed[1].sha
    code = f"import os; assert open('said.txt').read() == 'committed\\n'; assert os.environ['COMMIT_SHA'] == '{sha}'"
    check(settings, committed, *python(code))


def test_a_no_has_the_end_of_what_was_said(settings: Settings, committed: tuple[Repository, Commit]) -> None:
    """The error names the program, its exit code and its last lines, and nothing that git said before."""
    code = "import sys; [print('line', n) for n in range(100)]; sys.exit('main.c:3: wants a space')"
    with pytest.raises(CommitError, match="wants a space") as caught:
        check(settings, committed, *python(code))
    assert "which ended with 1" in caught.value.message
    assert "line 99" in caught.value.message
    assert "line 50" not in caught.value.message
    assert "HEAD is now" not in caught.value.message
    assert "check.log" in (caught.value.hint or "")


def test_no_shell_reads_the_arguments(settings: Settings, committed: tuple[Repository, Commit], tmp_path: Path) -> None:
    """What a shell would take for more than a word is one word."""
    file = tmp_path / "made"
    code = f"import sys; sys.exit(sys.argv[1] != '; touch {file} $(id)')"
    check(settings, committed, *python(code), f"; touch {file} $(id)")
    assert not file.exists()


def test_none_of_our_secrets_reach_it(
    settings: Settings, committed: tuple[Repository, Commit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is not ours, so it is given none of our settings."""
    monkeypatch.setenv("K1NB_NOTIFY_WEBHOOK_URL", "https://hooks.example.org/secret")
    monkeypatch.setenv("CONDUCTOR_AUTH_SECRET", "s3cret-word")
    check(settings, committed, *python("import os; assert not [n for n in os.environ if 'K1NB' in n or 'AUTH' in n]"))


def test_one_that_hangs_is_ended(settings: Settings, committed: tuple[Repository, Commit]) -> None:
    """At the deadline it is ended, and that is a no."""
    with pytest.raises(CommitError, match=r"did not end within 0\.5 s"):
        check(
            settings,
            committed,
            *python("import time; time.sleep(60)"),
            timings=Timings(commit_check=0.5, child_stop=1),
        )


def test_one_that_is_not_there_is_named(settings: Settings, committed: tuple[Repository, Commit]) -> None:
    """A program that is not installed is no fault of the commit."""
    with pytest.raises(PrerequisiteError, match="k1nb-no-such-linter"):
        check(settings, committed, "k1nb-no-such-linter")
