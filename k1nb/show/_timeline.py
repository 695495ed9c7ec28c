"""An execution as a timeline: what ran when, for how long, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from k1nb.show._rows import Row, rows_of
from k1nb.show._words import duration, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from k1nb.conductor import Execution, Task

_SHORT = 0.004
"""Share of the whole below which a bar would not be seen and a mark is drawn instead."""


def timeline(execution: Execution, children: Iterable[Execution] = ()) -> Figure:
    """Return an execution's tasks as bars over time, in the colour of their status.

    `children` are the executions of its sub-workflows, however deep; their tasks are drawn below the task that
    started them. Grey is the time a task waited for a worker; a pale bar belongs to a sub-workflow whose tasks are
    drawn; a task without length is a diamond.
    """
    from k1nb.show._figure import label_width, new_figure, panel, row_labels, say, title

    rows = list(rows_of(execution, {child.id: child for child in children}))
    labels = [f"{'    ' * row.depth}{row.reference}" for row in rows]
    height = 0.29 * max(len(rows), 2)
    left = label_width(labels)
    figure = new_figure(10, height + 0.85)
    took = f", {duration(execution.seconds)}" if execution.seconds is not None else ""
    title(figure, 0.08, execution.name, f"{execution.id}   {words(execution.status)}{took}")
    axes = panel(figure, left=left, top=0.45, right=0.1, height=height)
    if execution.started_at is None or not rows:
        say(axes, "No task has been scheduled yet.")
        return figure
    row_labels(axes, labels, left)
    _draw(axes, rows, execution.started_at, _end(execution, rows))
    return figure


def _end(execution: Execution, rows: Iterable[Row]) -> datetime:
    if execution.ended_at is not None:
        return execution.ended_at
    ends = [task.ended_at or datetime.now(UTC) for row in rows for task in row.attempts]
    return max(ends)


def _draw(axes: Axes, rows: list[Row], start: datetime, end: datetime) -> None:
    from k1nb.show._figure import INK, bands, bare, ticks

    whole = max((end - start).total_seconds(), 0.001)
    bare(axes)
    bands(axes, len(rows))
    axes.set_xlim(-0.01 * whole, whole * 1.3)
    marks = ticks(whole)
    axes.set_xticks(list(marks), list(marks.values()))
    for number, row in enumerate(rows):
        parent = number + 1 < len(rows) and rows[number + 1].depth > row.depth
        for task in row.attempts:
            _bar(axes, number, task, start, end, faint=parent)
        axes.annotate(
            _note(row), (_seconds(row.last.ended_at or end, start), number), xytext=(7, 0),
            textcoords="offset points", va="center", fontsize=8.5, color=INK,
        )  # fmt: skip


def _note(row: Row) -> str:
    task = row.last
    took = _seconds(task.ended_at, task.started_at) if task.ended_at and task.started_at else 0
    parts = [duration(took)] if took >= 0.05 else []
    if task.status != "COMPLETED":
        parts.append(words(task.status))
    if len(row.attempts) > 1:
        parts.append(f"attempt {len(row.attempts)}")
    return ", ".join(parts)


def _bar(axes: Axes, row: int, task: Task, start: datetime, end: datetime, *, faint: bool) -> None:
    from k1nb.show._figure import WAITING, colour

    scheduled = _seconds(task.scheduled_at or task.started_at or end, start)
    began = _seconds(task.started_at or end, start)
    ended = _seconds(task.ended_at or end, start)
    shade = colour(task.status)
    axes.barh(row, max(began - scheduled, 0), left=scheduled, height=0.14, color=WAITING)
    if ended - began < _SHORT * _seconds(end, start):
        axes.plot([began], [row], marker="D", markersize=4.5, color=shade, linestyle="")
        return
    axes.barh(row, ended - began, left=began, height=0.3 if faint else 0.56, color=shade, alpha=0.45 if faint else 1)


def _seconds(when: datetime, start: datetime) -> float:
    return (when - start).total_seconds()
