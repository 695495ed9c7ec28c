"""What crashes leave: facts in, checks out."""

from __future__ import annotations

from pathlib import Path

import pytest

from k1nb.checks import Status
from k1nb.stack.doctor._left_over import LeftOver, left_over_checks


def test_nothing_left_over_is_ok() -> None:
    """Each kind is listed, so that a reader sees what was looked for."""
    checks = left_over_checks(LeftOver())
    assert {check.status for check in checks} == {Status.OK}
    assert len(checks) == 5


@pytest.mark.parametrize(
    ("found", "kind", "said", "hint"),
    [
        (LeftOver(orphans=["workers (pid 7)"]), "processes", "workers (pid 7)", "`k1nb up`"),
        (LeftOver(builds=["python (pid 8)"]), "builds", "python (pid 8)", "`k1nb up workers`"),
        (LeftOver(pid_files=[Path("/h/workers.pid")]), "pid files", "/h/workers.pid", "`k1nb up`"),
        (LeftOver(runs=["20260301-1"]), "staged runs", "20260301-1", "`k1nb run`"),
        (LeftOver(folders=[Path("/h/builds/x")]), "folders", "/h/builds/x", "below /h/builds"),
    ],
)
def test_a_left_over_is_named_with_its_remedy(found: LeftOver, kind: str, said: str, hint: str) -> None:
    """What a crash left is a WARN that names it and says what ends it; the other kinds stay OK."""
    (check,) = [check for check in left_over_checks(found) if check.status is not Status.OK]
    assert (check.name, check.status) == (f"left over: {kind}", Status.WARN)
    assert said in check.evidence
    assert hint in str(check.hint)


def test_many_are_counted_and_some_named() -> None:
    """Of many only the first are named."""
    check = left_over_checks(LeftOver(runs=[f"run-{n}" for n in range(9)]))[3]
    assert "9 broke off" in check.evidence
    assert "and 4 more" in check.evidence
