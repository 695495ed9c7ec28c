"""From features to parameters of patterns, and to files: pure, but for the writing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from k1nb.workers.audio._analysis import FASTEST, SLOWEST

PALETTES = 33
"""Palettes of the device, ids 0 to 32."""
USUAL_SPEED = 0.5
USUAL_THRESHOLD = 0.2
"""What the device has for speed and beat_threshold where nothing was set."""


def speed_of(tempo: float | None) -> float:
    """Return the device's `speed`, 0 to 1: from 0 at 50 to 1 at 150 beats a minute; its default without a tempo."""
    if tempo is None:
        return USUAL_SPEED
    return round(min(max((tempo - SLOWEST) / (FASTEST - SLOWEST), 0.0), 1.0), 3)


def palette_of(bins: Sequence[float]) -> int:
    """Return the device's `palette_id`, 0 to 32, by where the spectrum's weight lies: the lower, the smaller.

    The root spreads the lower frequencies, in which music has its weight, over more palettes.
    """
    whole = sum(bins)
    if whole <= 0 or len(bins) < 2:
        return 0
    centre = sum(number * value for number, value in enumerate(bins)) / whole / (len(bins) - 1)
    return min(max(round(math.sqrt(centre) * (PALETTES - 1)), 0), PALETTES - 1)


def threshold_of(envelope: Sequence[float]) -> float:
    """Return the device's `beat_threshold`, 0 to 1: the mean of the envelope as a part of its peak.

    Steady sound needs a high one, so that not everything is a beat; single strokes a low one. Silence gets the default.
    """
    peak = max(envelope, default=0.0)
    return USUAL_THRESHOLD if peak <= 0 else round(sum(envelope) / len(envelope) / peak, 3)


def to_csv(features: Mapping[str, Any]) -> str:
    """Return features as rows of group, name, index and value; the index is empty for single values."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("group", "name", "index", "value"))
    for group, values in features.items():
        for name, value in values.items() if isinstance(values, Mapping) else [("", values)]:
            writer.writerows((group, name, index, item) for index, item in _items(value))
    return buffer.getvalue()


def _items(value: Any) -> Iterator[tuple[int | str, Any]]:
    if isinstance(value, list):
        yield from enumerate(value)
    else:
        yield "", "" if value is None else value
