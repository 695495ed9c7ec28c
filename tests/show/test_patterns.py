"""The report of a pattern test, drawn and printed."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from k1nb import show
from k1nb.show._figure import COLOURS
from tests.patterns.samples import report


def printed(*reports: object) -> str:
    """Return what the terminal shows of a report."""
    console = Console(width=120, record=True, file=io.StringIO())
    for each in reports:
        show.print_pattern_report(console, each)  # type: ignore[arg-type]
    return console.export_text()


def test_the_figure_says_what_the_report_says() -> None:
    """Verdict, values, limits and baseline stand there as text; the lights are a picture."""
    svg = show.pattern_report(report(baseline=True)).svg()
    texts = [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]
    assert "Pattern breathe passed" in texts
    assert "120.0, limit 30, baseline 120.0" in texts
    assert "<image" in svg
    assert COLOURS["FAILED"] not in svg


def test_a_broken_limit_stands_out() -> None:
    """What is not kept is drawn in the colour of failure; the same report is the same picture."""
    bad = report(fps=12.0)
    svg = show.pattern_report(bad).svg()
    assert "Pattern breathe did not pass" in svg
    assert COLOURS["FAILED"] in svg
    assert show.pattern_report(bad).svg() == svg


def test_a_report_without_lights_can_be_drawn() -> None:
    """Where no frame was kept, that is said."""
    bare = report()
    bare.lights.samples = []
    assert "No frame of the lights was kept." in show.pattern_report(bare).svg()


@pytest.mark.parametrize(("fps", "verdict"), [(120.0, "passed"), (12.0, "not passed")])
def test_the_terminal_says_why(fps: float, verdict: str) -> None:
    """Verdict, figures with limits, reasons and notes, and what was tested."""
    text = printed(report(fps=fps))
    assert verdict in text.splitlines()[0]
    assert ("12.0 FPS < 30" in text) is (fps == 12.0)
    assert "lights: lit and changing" in text
    assert "src/pattern_breathe.cpp" in text
