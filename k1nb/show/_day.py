"""The figure of the day: what ran, how it ended, and how the devices are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from k1nb.show._words import duration, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from k1nb.conductor import Execution
    from k1nb.device import Readings

_COLUMNS = (("device", 0.0), ("status", 1.9), ("uptime", 3.1), ("fps", 4.4), ("free heap", 5.1), ("render", 6.2),
            ("build stamp", 7.3))  # fmt: skip
"""Heads of the devices' table, each with its distance from the left edge in inches."""
_WIDTH = 10.0
_SUMMARY = 3.2


def day(
    executions: Iterable[Execution] | None,
    readings: Mapping[str, Readings | None],
    *,
    hours: int = 24,
    now: datetime | None = None,
) -> Figure:
    """Return the executions of the last hours, one row per workflow, above the devices' readings by name.

    A device whose readings are None gave no answer; neither did the server where `executions` is None. Times are UTC.
    """
    from k1nb.show._figure import label_width, new_figure, panel, say, title

    now = now or datetime.now(UTC)
    since = now - timedelta(hours=hours)
    groups = by_workflow(e for e in executions or () if e.started_at is not None and e.started_at >= since)
    upper, lower = 0.42 * max(len(groups), 1), 0.27 * (len(readings) + 1 if readings else 1)
    figure = new_figure(_WIDTH, upper + lower + 1.75)
    title(figure, 0.08, f"Executions of the last {hours} h", f"{since:%d %b %H:%M} to {now:%d %b %H:%M} UTC")
    left = label_width(groups) if groups else 0.06
    axes = panel(figure, left=left, top=0.45, right=_SUMMARY, height=upper)
    if groups:
        _draw_executions(axes, groups, left, hours, now)
    else:
        say(axes, "The server gave no answer." if executions is None else "No execution was started in this time.")
    title(figure, upper + 1.1, "Devices", f"read at {now:%H:%M} UTC")
    axes = panel(figure, left=0.06, top=upper + 1.45, right=0.06, height=lower)
    _draw_readings(axes, readings)
    return figure


def by_workflow(executions: Iterable[Execution]) -> dict[str, list[Execution]]:
    """Return executions by the name of their workflow, the names in alphabetical order."""
    groups: dict[str, list[Execution]] = {}
    for execution in executions:
        groups.setdefault(execution.name, []).append(execution)
    return dict(sorted(groups.items()))


def summary(executions: Sequence[Execution]) -> tuple[str, str]:
    """Say how many executions ended how, and how long they took: `5 completed, 1 failed`, `median 21 s`."""
    counts = Counter(str(e.status) for e in executions)
    parts = ", ".join(f"{n} {words(status)}" for status, n in counts.most_common())
    lengths = [e.seconds for e in executions if e.status.terminal and e.seconds is not None]
    if len(lengths) < 2:
        return parts, f"took {duration(lengths[0])}" if lengths else ""
    return parts, f"median {duration(median(lengths))}, longest {duration(max(lengths))}"


def _draw_executions(axes: Axes, groups: Mapping[str, list[Execution]], left: float, hours: int, now: datetime) -> None:
    from k1nb.show._figure import FAINT, INK, bands, bare, row_labels

    bare(axes)
    bands(axes, len(groups))
    row_labels(axes, list(groups), left)
    axes.set_xlim(-hours * 1.02, hours * 0.02)
    marks = [-hours, -hours * 0.75, -hours * 0.5, -hours * 0.25, 0]
    axes.set_xticks(marks, [f"{now + timedelta(hours=mark):%H:%M}" for mark in marks])
    for row, executions in enumerate(groups.values()):
        _draw_row(axes, row, executions, now)
        for text, shade, up in zip(summary(executions), (INK, FAINT), (6, -6), strict=True):
            axes.annotate(
                text, (1, row), xycoords=("axes fraction", "data"), xytext=(8, up), textcoords="offset points",
                va="center", fontsize=8.5, color=shade,
            )  # fmt: skip


def _draw_row(axes: Axes, row: int, executions: Sequence[Execution], now: datetime) -> None:
    from k1nb.show._figure import colour

    # What went wrong is drawn last, so that no success covers it.
    for execution in sorted(executions, key=lambda e: e.status != "COMPLETED"):
        if execution.started_at is None:
            continue
        begin = (execution.started_at - now).total_seconds() / 3600
        end = ((execution.ended_at or now) - now).total_seconds() / 3600
        shade = colour(execution.status)
        axes.plot([begin, end], [row, row], color=shade, linewidth=4, alpha=0.5, solid_capstyle="butt")
        axes.plot([begin], [row], color=shade, marker="o", markersize=6, markeredgecolor="white", markeredgewidth=0.7)


def _draw_readings(axes: Axes, readings: Mapping[str, Readings | None]) -> None:
    from k1nb.show._figure import COLOURS, FAINT, INK, LINE, say

    if not readings:
        say(axes, "No device was looked at.")
        return
    axes.set_axis_off()
    axes.set_xlim(0, _WIDTH - 0.12)
    axes.set_ylim(len(readings) + 0.5, -0.5)
    for name, left in _COLUMNS:
        axes.text(left, 0, name, fontsize=8.5, color=FAINT, va="center")
    axes.axhline(0.5, color=LINE, linewidth=0.8)
    for row, (name, seen) in enumerate(readings.items(), 1):
        good = seen is not None and seen.status == "ok"
        for (column, left), text in zip(_COLUMNS, cells(name, seen), strict=False):
            bad = column == "status" and not good
            shade, weight = (COLOURS["FAILED"], "bold") if bad else (INK, "normal")
            axes.text(left, row, text, fontsize=9, va="center", color=shade, fontweight=weight)


def cells(name: str, seen: Readings | None) -> tuple[str, ...]:
    """Return a device's readings as people read them; only its name and that it is silent where there are none."""
    if seen is None:
        return (name, "no answer")
    return (
        name,
        seen.status,
        duration(seen.uptime_seconds),
        f"{seen.fps:.0f}",
        f"{seen.free_heap_bytes / 1024:.0f} KiB",
        f"{seen.avg_render_time_ms:.2f} ms",
        seen.stamp or "none shown",
    )
