"""Tests of what an image makes of a simulated device."""

from __future__ import annotations

import pytest

from k1nb.device.simulator._firmware import factory, firmware_in
from k1nb.errors import ImageError
from tests.device import _images


def test_a_sample_image_says_everything() -> None:
    """Stamp, patterns and health are read from the image's bytes."""
    firmware = firmware_in(_images.sample("k1-abcdefabcdef", fps=44.5))
    assert firmware.stamp == "k1-abcdefabcdef"
    assert [pattern.id for pattern in firmware.patterns] == ["ember", "echo", "tide"]
    assert firmware.health.fps == 44.5
    assert firmware.first_pattern == 1


def test_an_unstamped_sample_has_no_stamp() -> None:
    """A block without a stamp is a firmware that does not tell who it is."""
    assert firmware_in(_images.sample(None)).stamp is None


def test_an_image_that_says_nothing_gets_the_factory_s_figures() -> None:
    """A valid image without a sample block has factory patterns and health, and no stamp."""
    assert firmware_in(_images.image()) == factory()


@pytest.mark.parametrize("image", [b"", bytes(1000), _images.sample()[:-1], _images.image(chip=5)])
def test_what_no_boot_loader_starts_is_an_error(image: bytes) -> None:
    """Damaged bytes and another chip's image boot into nothing."""
    with pytest.raises(ImageError):
        firmware_in(image)


def test_the_factory_s_figures_are_healthy() -> None:
    """A device that was never flashed is above every limit, and shows prism."""
    firmware = factory()
    assert firmware.stamp is None
    assert firmware.patterns[firmware.first_pattern].id == "prism"
    assert firmware.health.fps > 30
    assert firmware.health.memory_free_kb * 1024 > 50_000
