"""An execution as a timeline."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from k1nb.conductor import Execution, ExecutionStatus, Task, TaskStatus
from k1nb.show import timeline
from k1nb.show._figure import COLOURS, WAITING
from tests.show.samples import BUILD, PIPELINE, RUNNING, at, execution


def texts(figure: object) -> list[str]:
    """Return the words of a figure."""
    svg: str = figure._repr_svg_()  # type: ignore[attr-defined] # our figures have it
    return [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def test_every_task_has_its_line_and_its_length() -> None:
    """The figure names workflow, execution, status and every task with how long it took."""
    words = texts(timeline(BUILD))
    assert {"firmware-build", "validate_commit", "platformio_compile", "decision_store_or_fail"} <= set(words)
    assert "1.5 s, attempt 2" in words
    assert any(word.startswith("firmware-build-id") and word.endswith("completed, 10 s") for word in words)


def test_children_are_drawn_below_their_task() -> None:
    """With its children given, their tasks are in the figure as well."""
    assert "platformio_compile" not in texts(timeline(PIPELINE))
    assert "platformio_compile" in texts(timeline(PIPELINE, [BUILD]))


def test_status_is_told_by_colour_and_in_words() -> None:
    """What failed is in its colour and says so; what waits is grey."""
    figure = timeline(PIPELINE)
    assert "4.5 s, failed for good" in texts(figure)
    svg = figure._repr_svg_()  # type: ignore[attr-defined] # our figures have it
    assert COLOURS["FAILED"] in svg
    assert WAITING in svg


def test_what_still_runs_reaches_to_now() -> None:
    """A running execution is drawn up to now, with what is in progress and what waits."""
    words = texts(timeline(RUNNING))
    assert {"in progress", "scheduled"} <= set(words)


@pytest.mark.parametrize("started", [None, at(0)])
def test_an_execution_without_tasks_says_so(started: datetime | None) -> None:
    """Where nothing was scheduled yet, the figure says that in words."""
    figure = timeline(execution("empty", "RUNNING", started_at=started, ended_at=None))
    assert "No task has been scheduled yet." in texts(figure)


TIMES = st.none() | st.integers(0, 100_000).map(at)
TASKS = st.builds(
    Task,
    id=st.uuids().map(str),
    reference=st.sampled_from(["a", "b", "c_with_a_rather_long_name_indeed"]),
    type=st.just("t"),
    kind=st.just("SIMPLE"),
    status=st.sampled_from(TaskStatus),
    scheduled_at=TIMES,
    started_at=TIMES,
    ended_at=TIMES,
)


@given(st.lists(TASKS, max_size=6), st.sampled_from(ExecutionStatus), TIMES, TIMES)
@hypothesis(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_the_server_tells_can_be_drawn(
    tasks: list[Task], status: ExecutionStatus, started: datetime | None, ended: datetime | None
) -> None:
    """Missing times, times out of order and any mix of states still give a figure."""
    shown = Execution("id", "name", 1, status, started_at=started, ended_at=ended, tasks=tuple(tasks))
    assert "name" in texts(timeline(shown))
