"""A repository's own check of a commit: its linter or formatter, as the settings name it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from k1nb._process import run_child
from k1nb.config import bare_environment
from k1nb.errors import CommitError
from k1nb.firmware._build import check_out
from k1nb.firmware._build_log import tail
from k1nb.firmware._repository import Commit, Repository
from k1nb.paths import private
from k1nb.timings import Timings

_LINES = 20
"""Of what the check printed last, in the error; the log has it all."""


async def check_commit(
    repository: Repository, commit: Commit, argv: Sequence[str], folder: Path, log: Path, timings: Timings
) -> float:
    """Run a program in a checkout of the commit, without a shell, and return its seconds.

    The checkout is `folder/source`; the program stands in its top folder and has COMMIT_SHA. Raises CommitError with
    the end of what it printed where it says no or takes longer than `timings.commit_check`, PrerequisiteError where
    it is not there.
    """
    source = private(folder).resolve() / "source"
    await check_out(repository, commit, source, log, timings)
    begin = await asyncio.to_thread(lambda: log.stat().st_size)
    environment = bare_environment(COMMIT_SHA=commit.sha, LC_ALL="C.UTF-8", NO_COLOR="1")
    try:
        async with asyncio.timeout(timings.commit_check):
            finished = await run_child(argv, cwd=source, env=environment, log=log, stop_within=timings.child_stop)
    except TimeoutError:
        raise await _refusal(
            repository, commit, argv, log, begin, f"did not end within {timings.commit_check:g} s"
        ) from None
    if finished.exit_code != 0:
        raise await _refusal(repository, commit, argv, log, begin, f"ended with {finished.exit_code}")
    return finished.seconds


async def _refusal(
    repository: Repository, commit: Commit, argv: Sequence[str], log: Path, begin: int, how: str
) -> CommitError:
    said = await asyncio.to_thread(lambda: log.read_bytes()[begin:].decode("utf-8", "replace"))
    last = "\n".join(tail(said).strip().splitlines()[-_LINES:]) or "it printed nothing"
    return CommitError(
        f"commit {commit.sha[:12]} of {repository.name} does not pass {Path(argv[0]).name}, which {how}: {last}",
        hint=f"mend the commit; the whole output is in {log}",
    )
