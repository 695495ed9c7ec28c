"""Facts about the gate between a build and the artifact store."""

from __future__ import annotations

from pathlib import Path

import pytest

from k1nb.firmware import MAX_IMAGE_SIZE, Limits, gate
from tests.firmware.packing import descriptor, pack


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image that the gate lets through."""
    path = tmp_path / "firmware.bin"
    path.write_bytes(pack(descriptor() + bytes(70_000)))
    return path


def _gate(image: Path | None, flash: float | None, ram: float | None, warnings: int | None) -> list[str]:
    return gate(flash_percent=flash, ram_percent=ram, warnings=warnings, image=image, limits=Limits())


def test_limits_are_the_designs() -> None:
    """Without other words 70 % flash, 80 % RAM and no warning are allowed."""
    assert Limits() == Limits(max_flash_percent=70, max_ram_percent=80, max_warnings=0)


@pytest.mark.parametrize(("flash", "ram", "warnings"), [(66.7, 49.5, 0), (70.0, 80.0, 0), (0.0, 0.0, 0)])
def test_up_to_the_limit_passes(image: Path, flash: float, ram: float, warnings: int) -> None:
    """What equals the limit passes."""
    assert _gate(image, flash, ram, warnings) == []


@pytest.mark.parametrize(
    ("flash", "ram", "warnings", "breach"),
    [
        (73.1, 50.0, 0, "flash usage: 73.1 %, at most 70 % is allowed"),
        (100 * 1_376_257 / 1_966_080, 50.0, 0, "flash usage: 70.000051 %, at most 70 % is allowed"),
        (66.0, 80.04, 0, "RAM usage: 80.04 %, at most 80 % is allowed"),
        (66.0, 50.0, 2, "warnings in own sources: 2, at most 0 is allowed"),
        (None, 50.0, 0, "flash usage: no number was found, at most 70 % is allowed"),
        (66.0, None, 0, "RAM usage: no number was found, at most 80 % is allowed"),
        (66.0, 50.0, None, "warnings in own sources: no number was found, at most 0 is allowed"),
        (float("nan"), 50.0, 0, "flash usage: nan %, at most 70 % is allowed"),
    ],
)
def test_each_breach_has_its_text(
    image: Path, flash: float | None, ram: float | None, warnings: int | None, breach: str
) -> None:
    """A number above its limit, by one byte even, and a number that is missing are told in one text."""
    assert _gate(image, flash, ram, warnings) == [breach]


def test_all_breaches_are_told() -> None:
    """Nothing known at all breaches everything."""
    assert len(_gate(None, None, None, None)) == 4


def test_image_must_be_one_that_fits(image: Path, tmp_path: Path) -> None:
    """A missing file, bytes that are no image, and an image beyond the partition are breaches."""
    good = image.read_bytes()
    assert "cannot be read" in _gate(tmp_path / "none.bin", 60, 60, 0)[0]
    image.write_bytes(good[:-1])
    assert "truncated" in _gate(image, 60, 60, 0)[0]
    image.write_bytes(good + bytes(MAX_IMAGE_SIZE))
    assert "at most 1,966,080 fit" in _gate(image, 60, 60, 0)[0]
