"""The report of a pattern test: as a figure, and on the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.console import Console

    from k1nb.patterns import Report
    from k1nb.show._figure import Chart

_WIDTH = 9.0
_ROWS = (
    ("fps", "frames a second", "", "min_fps"),
    ("avg_render_time_ms", "render, average", " ms", None),
    ("max_render_time_ms", "render, slowest", " ms", "max_render_time_ms"),
    ("audio_latency_ms", "audio step", " ms", "max_audio_latency_ms"),
)
"""Each figure with its words, its unit and the limit that it is held to."""


def pattern_report(report: Report) -> Chart:
    """Return the figures against limits and baseline, above what the lights showed over time."""
    from k1nb.show._figure import new_figure, panel, title

    frames = report.lights.samples
    upper, lower = 0.42 * len(_ROWS), 0.22 * max(len(frames), 1)
    figure = new_figure(_WIDTH, upper + lower + 1.6)
    passed = "passed" if report.validation_passed else "did not pass"
    title(
        figure,
        0.08,
        f"Pattern {report.pattern_name} {passed}",
        f"{report.at:%Y-%m-%d %H:%M} UTC, {report.device or ''}",
    )
    _draw_metrics(panel(figure, left=1.4, top=0.45, right=2.6, height=upper), report)
    title(figure, upper + 0.85, "Lights", report.lights.reason)
    _draw_lights(panel(figure, left=0.7, top=upper + 1.2, right=0.1, height=lower), report)
    return figure


def _draw_metrics(axes: Axes, report: Report) -> None:
    """Draw each figure as a bar; a line stands at its limit, a dot at its baseline."""
    from k1nb.show._figure import COLOURS, INK, bands, row_labels

    axes.set_axis_off()
    bands(axes, len(_ROWS))
    row_labels(axes, [words for _, words, _, _ in _ROWS], 1.3)
    axes.set_xlim(0, 1.05)
    for row, (name, _, unit, limit_name) in enumerate(_ROWS):
        value = getattr(report.metrics, name)
        limit = getattr(report.thresholds, limit_name) if limit_name else None
        before = getattr(report.baseline, name) if report.baseline else None
        whole = max(value, limit or 0, before or 0) or 1
        kept = limit is None or (value >= limit if name == "fps" else value <= limit)
        axes.barh([row], [value / whole], height=0.5, color=COLOURS["COMPLETED" if kept else "FAILED"], alpha=0.8)
        words = [f"{value:.1f}{unit}"]
        if limit is not None:
            axes.plot([limit / whole] * 2, [row - 0.35, row + 0.35], color=INK, linewidth=1.2)
            words.append(f"limit {limit:g}")
        if before is not None:
            axes.plot([before / whole], [row], color=INK, marker="o", markersize=5, markeredgecolor="white")
            words.append(f"baseline {before:.1f}")
        axes.annotate(
            ", ".join(words), (1, row), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8.5, color=INK if kept else COLOURS["FAILED"],
            fontweight="normal" if kept else "bold",
        )  # fmt: skip


def _draw_lights(axes: Axes, report: Report) -> None:
    from k1nb.show._figure import FAINT, say

    frames = report.lights.samples
    if not frames:
        say(axes, "No frame of the lights was kept.")
        return
    for spine in axes.spines.values():
        spine.set_visible(False)
    image = [[[int(light[at : at + 2], 16) for at in (0, 2, 4)] for light in frame.lights] for frame in frames]
    axes.imshow(image, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks(range(len(frames)), [f"{frame.at_ms / 1000:.1f} s" for frame in frames])
    axes.tick_params(axis="y", length=0, labelsize=8.5, labelcolor=FAINT)


def print_pattern_reports(console: Console, reports: Iterable[Mapping[str, Any]]) -> None:
    """Print reports, one a line, with the versions whose baseline they are."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("report", "pattern", "passed", "device", "commit", "baseline of"):
        table.add_column(head, overflow="fold")
    for report in reports:
        commit = str(report["commit_sha"] or "")[:12]
        versions = ", ".join(report["baseline_of"])
        passed = _verdict(bool(report["validation_passed"]))
        table.add_row(
            Text(report["id"]),
            Text(report["pattern_name"]),
            passed,
            Text(report["device"] or ""),
            commit,
            Text(versions),
        )
    console.print(table)


def print_pattern_report(console: Console, report: Report) -> None:
    """Print a report: whether it passed and why not, and its figures against limits and baseline."""
    console.print(Text.assemble(report.id, "  ", _verdict(report.validation_passed)), soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for head in ("", "now", "limit", "baseline"):
        table.add_column(head)
    for name, words, unit, limit_name in _ROWS:
        limit = f"{getattr(report.thresholds, limit_name):g}{unit}" if limit_name else ""
        before = f"{getattr(report.baseline, name):.2f}{unit}" if report.baseline else ""
        table.add_row(words, f"{getattr(report.metrics, name):.2f}{unit}", limit, before)
    console.print(table)
    for line in (f"lights: {report.lights.reason}", *report.comparison.reasons, *report.comparison.notes):
        console.print(line, markup=False, soft_wrap=True)
    facts = {"artifact": report.artifact_id, "commit": report.commit_sha, "source": report.source_path}
    for name, value in facts.items():
        if value:
            console.print(f"{name:<9} {value}", markup=False, soft_wrap=True)


def _verdict(passed: bool) -> Text:
    return Text("passed" if passed else "not passed", style="green" if passed else "bold red")
