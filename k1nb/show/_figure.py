"""Figures that a record can keep: static SVG with real text, drawn without pyplot's state."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK = "#1f2328"
FAINT = "#6b7280"
LINE = "#d8dce2"
BAND = "#f5f6f8"
WAITING = "#b9c0ca"

# Okabe and Ito's colours: told apart by readers who don't tell red from green, and in grey print.
COLOURS = {
    "COMPLETED": "#009e73",
    "RUNNING": "#0072b2",
    "FAILED": "#d55e00",
    "TIMED_OUT": "#e69f00",
    "TERMINATED": "#a3568f",
    "PAUSED": "#56b4e9",
}
_LIKE = {
    "COMPLETED_WITH_ERRORS": "TIMED_OUT",
    "FAILED_WITH_TERMINAL_ERROR": "FAILED",
    "IN_PROGRESS": "RUNNING",
    "CANCELED": "TERMINATED",
}
_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Helvetica", "Arial"],
    "svg.fonttype": "none",  # text stays text: it can be searched and redacted
    "svg.hashsalt": "k1nb",  # the same figure is the same bytes
}


class Chart(Figure):
    """A figure that Jupyter shows as SVG."""

    def _repr_svg_(self) -> str:
        """Return the figure as SVG, as Jupyter asks for it."""
        return self.svg()

    def svg(self) -> str:
        """Return the figure as SVG."""
        buffer = io.StringIO()
        with rc_context(_STYLE):
            self.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        text = buffer.getvalue()
        return text[text.index("<svg") :]


def colour(status: str) -> str:
    """Return the colour of an execution's or a task's status."""
    return COLOURS.get(_LIKE.get(status, status), WAITING)


def ticks(whole: float) -> dict[float, str]:
    """Return at most seven round marks, with their labels, on an axis of so many seconds."""
    step = next((s for s in _STEPS if whole / s <= 6), whole / 6)
    unit, name = (1, "s") if step < 60 else (60, "min") if step < 3600 else (3600, "h")
    marks = [number * step for number in range(int(whole / step) + 1)]
    return {mark: f"{round(mark / unit, 1):g} {name}" if mark else "0" for mark in marks}


def new_figure(width: float, height: float) -> Chart:
    """Return an empty white figure, sizes in inches."""
    with rc_context(_STYLE):
        return Chart(figsize=(width, height), facecolor="white")


def panel(figure: Chart, *, left: float, top: float, right: float, height: float) -> Axes:
    """Return axes at a place of the figure given in inches: from its left, top and right edge."""
    width, whole = figure.get_size_inches()
    with rc_context(_STYLE):
        place = (left / width, 1 - (top + height) / whole, (width - left - right) / width, height / whole)
        return figure.add_axes(place)


def label_width(labels: Iterable[str]) -> float:
    """Return the inches that row labels take."""
    return 0.25 + 0.083 * max(map(len, labels), default=0)


def row_labels(axes: Axes, labels: Sequence[str], width: float) -> None:
    """Write the rows' labels, flush left, into the `width` inches left of the axes."""
    axes.set_yticks([])
    for row, text in enumerate(labels):
        axes.annotate(
            text, (0, row), xycoords=("axes fraction", "data"), xytext=(-width * 72 + 4, 0),
            textcoords="offset points", va="center", fontsize=9, color=INK,
        )  # fmt: skip


def bare(axes: Axes) -> None:
    """Take away what says nothing: frame and ticks; keep a faint vertical grid."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(LINE)
    axes.tick_params(axis="x", color=LINE, labelsize=8.5, labelcolor=FAINT)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def title(figure: Chart, top: float, text: str, more: str = "") -> None:
    """Write a title `top` inches from the upper edge, with what qualifies it in a lighter tone at the right."""
    width, height = figure.get_size_inches()
    line = 1 - top / height
    figure.text(0.06 / width, line, text, fontsize=11, fontweight="bold", color=INK, va="top")
    figure.text(1 - 0.06 / width, line, more, fontsize=9, color=FAINT, va="top", ha="right")


def say(axes: Axes, text: str) -> None:
    """Write one sentence where there is nothing to draw."""
    axes.set_axis_off()
    axes.text(0, 0.5, text, transform=axes.transAxes, fontsize=10, color=FAINT, va="center")


def bands(axes: Axes, rows: int) -> None:
    """Shade every other row, so that the eye finds from a label to its bars."""
    for row in range(1, rows, 2):
        axes.axhspan(row - 0.5, row + 0.5, color=BAND, zorder=0)
    axes.set_ylim(rows - 0.5, -0.5)
