"""Tests of the simulated device's RAM."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device import Device
from k1nb.device._facts import PARAMETERS, Range, Route
from k1nb.device.simulator._board import Board, as_float, stored, stored_float
from k1nb.device.simulator._flash import Flash
from k1nb.paths import Paths
from tests.device import _images

ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())


@pytest.fixture
def board(demo: Device, paths: Paths) -> Board:
    """A device that is switched on, without a network."""
    return Board(demo, Flash(paths.simulators / "demo"), "0" * 64)


def test_a_boot_forgets_everything_but_the_flash(board: Board) -> None:
    """Parameters, pattern, windows and uptime start anew; the image that was activated runs."""
    window = Route("GET", "/x", 60_000)
    board.params["speed"], board.audio["microphone_gain"], board.pattern = 0.9, 2.0, 2
    assert board.milliseconds_left(window) == 0
    board.flash.activate(board.flash.write(_images.sample()))
    board.boot()
    assert (board.params["speed"], board.audio["microphone_gain"], board.pattern) == (0.5, 1.0, 1)
    assert board.milliseconds_left(window) == 0
    assert board.uptime_ms < 5000
    assert board.firmware.stamp == "k1-0123456789ab"


def test_a_window_counts_what_it_refuses(board: Board) -> None:
    """Within the window the time that is left is told, and each refusal is counted."""
    window = Route("GET", "/x", 60_000)
    assert board.milliseconds_left(window) == 0
    assert 59_000 < board.milliseconds_left(window) <= 60_000
    assert board.flash.state()["refused_429"] == 1


@given(st.sampled_from(sorted(PARAMETERS)), ANY)
def test_whatever_is_stored_is_within_range_and_of_the_right_kind(name: str, value: Any) -> None:
    """No input makes a parameter leave its range or its type."""
    allowed = PARAMETERS[name]
    kept = stored(allowed, value)
    assert type(kept) is type(allowed.default)
    assert allowed.low - 1e-6 <= kept <= allowed.high + 1e-6


@pytest.mark.parametrize(
    ("value", "number"),
    [(True, 1.0), ("0.5", 0.5), ("x", 0.0), (None, 0.0), ([], 0.0), (math.nan, 0.0), (10**400, 0.0)],
)
def test_what_is_no_number_counts_as_zero(value: object, number: float) -> None:
    """The device's JSON library converts so."""
    assert as_float(value) == number


def test_mirror_mode_takes_numbers() -> None:
    """A number of at least a half is true."""
    assert stored(Range(0, 1, True), 0.7) is True
    assert stored(Range(0, 1, True), 0.3) is False


@given(st.floats(allow_nan=False))
def test_every_float_fits_into_single_precision(value: float) -> None:
    """Numbers beyond the range of 32-bit floats are kept at its end."""
    assert math.isfinite(stored_float(value))
