"""From features to parameters: each rule as a table."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.workers.audio import _features

SHARES = st.lists(st.floats(0, 1), max_size=300)


@pytest.mark.parametrize(("tempo", "speed"), [(None, 0.5), (50, 0), (100, 0.5), (150, 1), (20, 0), (300, 1)])
def test_speed_follows_the_tempo(tempo: float | None, speed: float) -> None:
    """50 to 150 beats a minute are 0 to 1; no tempo is the device's default."""
    assert _features.speed_of(tempo) == speed


def test_the_palette_follows_the_spectrum() -> None:
    """The higher the weight of the spectrum lies, the higher the palette; silence is the first."""
    low, high = [1.0, 1.0, *[0.0] * 255], [*[0.0] * 255, 1.0, 1.0]
    assert _features.palette_of(low) < _features.palette_of([1.0] * 257) < _features.palette_of(high) == 32
    assert _features.palette_of([0.0] * 257) == _features.palette_of([]) == 0


def test_the_threshold_follows_the_envelope() -> None:
    """Steady sound gets a high threshold, single strokes a low one, silence the device's default."""
    assert _features.threshold_of([0.5] * 100) == 1.0
    assert _features.threshold_of([1.0, *[0.0] * 99]) == 0.01
    assert _features.threshold_of([0.0] * 9) == _features.threshold_of([]) == 0.2


@given(tempo=st.none() | st.floats(0, 1000), bins=SHARES, envelope=SHARES)
def test_parameters_are_what_the_device_takes(tempo: float | None, bins: list[float], envelope: list[float]) -> None:
    """Whatever was heard, the three values lie within the device's ranges."""
    assert 0 <= _features.speed_of(tempo) <= 1
    assert 0 <= _features.palette_of(bins) <= 32
    assert 0 <= _features.threshold_of(envelope) <= 1


def test_the_table_has_every_value() -> None:
    """Lists have a row for each value, single values one without index, what is not known an empty one."""
    features = {"tempo": {"bpm": None, "confidence": 0.0}, "spectrum": {"bins": [0.5, 0.25]}}
    rows = list(csv.reader(io.StringIO(_features.to_csv(features))))
    assert rows == [
        ["group", "name", "index", "value"],
        ["tempo", "bpm", "", ""],
        ["tempo", "confidence", "", "0.0"],
        ["spectrum", "bins", "0", "0.5"],
        ["spectrum", "bins", "1", "0.25"],
    ]
