"""The lines in which an execution is shown."""

from __future__ import annotations

from k1nb.show._rows import rows_of
from tests.show.samples import BUILD, PIPELINE


def test_attempts_share_a_line() -> None:
    """Every attempt at a task is on the task's one line, the last one counts."""
    rows = {row.reference: row for row in rows_of(BUILD, {})}
    assert list(rows) == ["validate_commit", "platformio_compile", "decision_store_or_fail"]
    assert [t.status for t in rows["platformio_compile"].attempts] == ["FAILED", "COMPLETED"]
    assert rows["platformio_compile"].last.status == "COMPLETED"


def test_a_childs_lines_follow_its_task() -> None:
    """The tasks of a sub-workflow stand below the task that started it, one step in."""
    rows = [(row.reference, row.depth) for row in rows_of(PIPELINE, {BUILD.id: BUILD})]
    assert rows == [
        ("build", 0),
        ("validate_commit", 1),
        ("platformio_compile", 1),
        ("decision_store_or_fail", 1),
        ("deployment", 0),
    ]
