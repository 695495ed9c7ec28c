"""The workers' work on the session's stack, and without one."""

from __future__ import annotations

import pytest

from k1nb.checks import Status
from k1nb.conductor import Queues
from k1nb.config import Settings
from k1nb.errors import ConductorUnreachable, ParameterError
from k1nb.stack import work, work_checks


def test_a_working_line_passes(line: Settings) -> None:
    """With the whole stack running every type is served, and the ready probe's executions have been done."""
    seen = work(line, watch=0.2)
    assert isinstance(seen, Queues)
    checks = work_checks(line, seen)
    assert [check.status for check in checks if check.name != "workers: queues do not grow"] == [Status.OK] * 3
    (probe,) = [each for each in seen.work if each.task_type == "ready_probe"]
    assert probe.median is not None


def test_a_silent_server_leaves_everything_unknown(settings: Settings) -> None:
    """Where no server answers nothing is raised, and no check of the queues passes."""
    seen = work(settings, watch=0)
    assert isinstance(seen, ConductorUnreachable)
    checks = work_checks(settings, seen)
    assert [check.status for check in checks] == [Status.FAIL, *[Status.UNKNOWN] * 3]


@pytest.mark.parametrize("words", [{"hours": 0}, {"watch": -1.0}])
def test_what_cannot_be_looked_at_is_refused(settings: Settings, words: dict[str, float]) -> None:
    """No hours and a negative watch are wrong words."""
    with pytest.raises(ParameterError, match="is wanted"):
        work(settings, **words)  # type: ignore[arg-type]
