"""Figures as a record keeps them."""

from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import ExecutionStatus, TaskStatus
from k1nb.show._figure import WAITING, colour, new_figure, ticks, title
from k1nb.show._words import duration


def test_a_figure_is_svg_with_text_that_can_be_read() -> None:
    """A figure becomes well-formed SVG whose words are text, so that they can be searched and redacted."""
    figure = new_figure(4, 2)
    title(figure, 0.1, "A title <&>", "and more")
    svg = figure._repr_svg_()
    texts = [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]  # noqa: S314 - our own text
    assert texts == ["A title <&>", "and more"]


def test_the_same_figure_is_the_same_bytes() -> None:
    """Neither time nor chance is in a figure."""
    assert new_figure(4, 2)._repr_svg_() == new_figure(4, 2)._repr_svg_()


def test_no_global_state_is_used() -> None:
    """Figures need no pyplot, which would keep every one of them alive."""
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("status", [*ExecutionStatus, *TaskStatus])
def test_every_status_has_a_colour(status: str) -> None:
    """Every status of Conductor has a colour; only what has not begun is grey."""
    assert (colour(status) == WAITING) == (status in ("SCHEDULED", "SKIPPED"))


@given(st.floats(0.001, 10**7))
def test_there_are_few_round_marks_and_none_beyond_the_end(whole: float) -> None:
    """An axis has one to seven marks from 0 on, none beyond its end, and no two with the same label."""
    marks = ticks(whole)
    assert 1 <= len(marks) <= 7
    assert min(marks) == 0
    assert max(marks) <= whole * 1.0001
    assert len(set(marks.values())) == len(marks), (whole, marks, duration(whole))
