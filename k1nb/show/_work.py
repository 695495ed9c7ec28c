"""The workers' work: as a table, and as a figure of who polls, what waits and how long it takes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING

from k1nb.records import table_html
from k1nb.show._tables import Table
from k1nb.show._words import duration

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from k1nb.conductor import Queues, Work
    from k1nb.errors import ConductorError
    from k1nb.show._figure import Chart

_HEAD = ("task type", "last asked for", "by", "wait", "run", "done", "failed", "usually takes")
_COLUMNS = (("last asked for", 0.0), ("wait", 1.3), ("run", 1.8), ("done", 2.3), ("failed", 2.85))
"""Heads of the figure's numbers, each with its distance from the left edge in inches."""
_NUMBERS = 3.5
_WIDTH = 10.0
_MARKS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0)


def work_table(queues: Queues | ConductorError) -> Table:
    """Return one row for each task type; one sentence where the server did not tell."""
    if isinstance(queues, Exception):
        return Table(f"<p>{escape(str(queues))}</p>", str(queues))
    rows = [_row(work, queues.at) for work in queues.work]
    widths = [max(len(row[n]) for row in (_HEAD, *rows)) for n in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (_HEAD, *rows)]
    return Table(
        table_html(_HEAD, [[escape(cell) for cell in row] for row in rows]), "\n".join(line.rstrip() for line in lines)
    )


def _row(work: Work, now: datetime) -> tuple[str, ...]:
    return (
        work.task_type,
        asked(work, now),
        ", ".join(work.workers),
        str(work.queued),
        str(work.running),
        str(work.completed),
        str(work.failed),
        duration(work.median) if work.median is not None else "",
    )


def asked(work: Work, now: datetime) -> str:
    """Say how long ago a task type was last asked for."""
    return f"{duration((now - work.polled_at).total_seconds())} ago" if work.polled_at else "never"


def work(queues: Queues | ConductorError) -> Chart:
    """Return one row for each task type: last poll, what waits and runs, what was done, and how long that took.

    A line reaches from the shortest to the longest, a dot marks the median; the scale is logarithmic.
    """
    from k1nb.show._figure import label_width, new_figure, panel, say, title

    rows = queues.work if not isinstance(queues, Exception) else ()
    height = 0.24 * max(len(rows), 1)
    figure = new_figure(_WIDTH, height + 1.35)
    if isinstance(queues, Exception) or not rows:
        title(figure, 0.08, "Task types")
        say(panel(figure, left=0.06, top=0.45, right=0.06, height=height), "The server gave no answer."
            if isinstance(queues, Exception) else "No task type is defined or polled.")  # fmt: skip
        return figure
    kept = " (the latest only)" if queues.truncated else ""
    title(figure, 0.08, "Task types", f"tasks of the last {queues.hours} h{kept}, to {queues.at:%d %b %H:%M} UTC")
    left = label_width(work.task_type for work in rows)
    numbers = panel(figure, left=left, top=0.75, right=_WIDTH - left - _NUMBERS, height=height)
    _draw_numbers(numbers, rows, queues.at, left)
    _draw_durations(panel(figure, left=left + _NUMBERS, top=0.75, right=0.9, height=height), rows)
    return figure


def _draw_numbers(axes: Axes, rows: Sequence[Work], now: datetime, left: float) -> None:
    from k1nb.show._figure import COLOURS, FAINT, INK, bands, bare, row_labels

    bare(axes)
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    axes.set_xlim(0, _NUMBERS)
    bands(axes, len(rows))
    row_labels(axes, [work.task_type for work in rows], left)
    for name, place in _COLUMNS:
        axes.text(place, -0.95, name, fontsize=8.5, color=FAINT, va="center")
    for row, each in enumerate(rows):
        told = (asked(each, now), each.queued, each.running, each.completed, each.failed)
        for (name, place), value in zip(_COLUMNS, told, strict=True):
            bad = (name == "failed" and each.failed) or (name == "last asked for" and each.polled_at is None)
            quiet = value == 0
            shade = COLOURS["FAILED"] if bad else FAINT if quiet else INK
            axes.text(place, row, "–" if quiet else str(value), fontsize=8.5, va="center", color=shade)


def _draw_durations(axes: Axes, rows: Sequence[Work]) -> None:
    from k1nb.show._figure import COLOURS, FAINT, INK, bands, bare

    bare(axes)
    bands(axes, len(rows))
    axes.set_yticks([])
    axes.set_xscale("log")
    every = [seconds for work in rows for seconds in work.seconds if seconds > 0] or [0.1, 10]
    least, most = min(*every, 0.1), max(*every, 10.0)
    axes.set_xlim(least / 1.5, most * 1.5)
    marks = [mark for mark in _MARKS if least / 1.5 <= mark <= most * 1.5]
    axes.set_xticks(marks, [_mark(mark) for mark in marks])
    axes.minorticks_off()
    axes.text(least / 1.4, -0.95, "how long it takes", fontsize=8.5, color=FAINT, va="center")
    for row, work in enumerate(rows):
        if work.median is None:
            continue
        shortest, longest, usual = (
            max(value, least / 1.5) for value in (work.seconds[0], work.seconds[-1], work.median)
        )
        axes.plot([shortest, longest], [row, row], color=COLOURS["COMPLETED"], linewidth=3, alpha=0.5)
        axes.plot([usual], [row], color=COLOURS["COMPLETED"], marker="o", markersize=5)
        axes.annotate(
            duration(work.median), (1, row), xycoords=("axes fraction", "data"), xytext=(6, 0),
            textcoords="offset points", va="center", fontsize=8.5, color=INK,
        )  # fmt: skip


def _mark(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"
