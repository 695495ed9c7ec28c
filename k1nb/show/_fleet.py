"""A rollout as a picture: one row for each device, wave by wave, over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from k1nb.delivery.rollout import Progress, Seen
    from k1nb.device import Device

_LIKE = {
    "succeeded": "COMPLETED",
    "current": "COMPLETED",
    "running": "RUNNING",
    "failed": "FAILED",
    "pending": "TIMED_OUT",
    "skipped": "TIMED_OUT",
}
"""The status whose colour a device's state has; the others are grey."""
_TALL, _LOW = 0.26, 0.15
"""Inches of a row: of a fleet whose devices are named, and of a larger one."""
_NAMED = 60


def fleet(progress: Progress) -> Figure:
    """Return a rollout's devices as rows, grouped by wave: bars from begin to end in the colour of their state.

    A diamond stands for a device without a deployment; a line ends each wave that has a gate, in the colour of its
    decision.
    """
    from k1nb.show._figure import label_width, new_figure, panel, say, title

    rollout = progress.rollout
    rows = [(n, device, progress.state(device)) for n, wave in enumerate(rollout.waves, 1) for device in wave]
    each = _TALL if len(rows) <= _NAMED else _LOW
    labels = [f"{number}  {device.name}" for number, device, _ in rows]
    left = label_width(labels)
    height = each * max(len(rows), 2)
    figure = new_figure(10, height + 1.2)
    counts = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in progress.counts().items())
    title(figure, 0.08, f"rollout {rollout.id}", f"{progress.standing.replace('_', ' ')}: {counts}")
    axes = panel(figure, left=left, top=0.45, right=0.1, height=height)
    began = progress.known.begun_at
    if not rows or began is None:
        say(axes, "No device is to be deployed to.")
        return figure
    _draw(axes, progress, rows, began, left)
    return figure


def _draw(axes: Axes, progress: Progress, rows: list[tuple[int, Device, Seen]], began: datetime, left: float) -> None:
    from k1nb.show._figure import LINE, bands, bare, colour, ticks

    ended = max([seen.ended_at or began for _, _, seen in rows], default=began)
    if any(seen.state == "running" for _, _, seen in rows):
        ended = datetime.now(UTC)
    whole = max((ended - began).total_seconds(), 1.0)
    _labels(axes, rows, left)
    bare(axes)
    bands(axes, len(rows))
    for row, (_, _, seen) in enumerate(rows):
        _bar(axes, row, seen, began, whole)
    for row, (number, _, _) in enumerate(rows[:-1]):
        if rows[row + 1][0] != number:
            gate = progress.known.gate(number)
            shade = colour({"go_on": "COMPLETED", "stop": "FAILED"}.get(gate.decision, "TIMED_OUT")) if gate else LINE
            axes.axhline(row + 0.5, color=shade, linewidth=1.4)
    axes.set_xlim(-0.01 * whole, 1.25 * whole)
    marks = ticks(whole)
    axes.set_xticks(list(marks), list(marks.values()))


def _labels(axes: Axes, rows: list[tuple[int, Device, Seen]], left: float) -> None:
    """Write wave and name to the left of each row, and its state to the right unless it succeeded."""
    size = 8.5 if len(rows) <= _NAMED else 5.5
    axes.set_yticks([])
    for row, (number, device, seen) in enumerate(rows):
        if row == 0 or rows[row - 1][0] != number:
            _write(axes, row, -left * 72 + 4, str(number), size)
        _write(axes, row, -left * 72 + 22, device.name, size)
        if seen.state != "succeeded":
            note = seen.state.replace("_", " ") + (f", {seen.outcome.replace('_', ' ')}" if seen.outcome else "")
            _write(axes, row, -4, note, size, right=True)


def _write(axes: Axes, row: int, shift: float, text: str, size: float, *, right: bool = False) -> None:
    from k1nb.show._figure import FAINT, INK

    axes.annotate(
        text, (1.0 if right else 0.0, row), xycoords=("axes fraction", "data"), xytext=(shift, 0),
        textcoords="offset points", va="center", ha="right" if right else "left", fontsize=size,
        color=FAINT if right else INK,
    )  # fmt: skip


def _bar(axes: Axes, row: int, seen: Seen, began: datetime, whole: float) -> None:
    from k1nb.show._figure import WAITING, colour

    shade = colour(_LIKE[seen.state]) if seen.state in _LIKE else WAITING
    if seen.began_at is None:
        axes.plot([0], [row], marker="D", markersize=4, color=shade, linestyle="")
        return
    start = (seen.began_at - began).total_seconds()
    end = ((seen.ended_at or datetime.now(UTC)) - began).total_seconds()
    axes.barh(row, max(end - start, 0.004 * whole), left=start, height=0.56, color=shade)
