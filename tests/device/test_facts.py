"""Tests of the firmware's tables."""

from __future__ import annotations

from k1nb.device import _facts as facts
from k1nb.firmware import MAX_IMAGE_SIZE


def test_twenty_parameters_can_be_read_and_three_more_set() -> None:
    """23 parameters in all, 12 of them in the device's own backup."""
    assert (len(facts.READABLE_PARAMETERS), len(facts.PARAMETERS)) == (20, 23)
    assert len(facts.BACKED_UP_PARAMETERS) == 12
    assert set(facts.BACKED_UP_PARAMETERS) < set(facts.PARAMETERS)


def test_every_default_is_within_its_range() -> None:
    """A device fresh from boot has no value out of range."""
    ranges = {**facts.PARAMETERS, **facts.AUDIO_SETTINGS}
    assert [name for name, allowed in ranges.items() if not allowed.low <= allowed.default <= allowed.high] == []


def test_the_largest_image_fills_a_partition() -> None:
    """What the image reader allows is what the device has room for."""
    assert MAX_IMAGE_SIZE == facts.PARTITION_SIZE
