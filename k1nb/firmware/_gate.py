"""The gate between a build and the artifact store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from k1nb.errors import ImageError
from k1nb.firmware._image import MAX_IMAGE_SIZE, read_image


@dataclass(frozen=True, slots=True)
class Limits:
    """What a build may use at most; equal is allowed."""

    max_flash_percent: float = 70.0
    max_ram_percent: float = 80.0
    max_warnings: int = 0


def gate(
    *,
    flash_percent: float | None,
    ram_percent: float | None,
    warnings: int | None,
    image: Path | None,
    limits: Limits,
) -> list[str]:
    """Return one text per breach of the limits; a number or image that is missing is a breach."""
    breaches = [
        _above("flash usage", flash_percent, limits.max_flash_percent, " %"),
        _above("RAM usage", ram_percent, limits.max_ram_percent, " %"),
        _above("warnings in own sources", warnings, limits.max_warnings, ""),
        _fault(image),
    ]
    return [breach for breach in breaches if breach is not None]


def _above(what: str, value: float | None, limit: float, unit: str) -> str | None:
    if value is None:
        return f"{what}: no number was found, at most {limit:g}{unit} is allowed"
    if value <= limit:
        return None
    shown = f"{value:.1f}" if unit and round(value, 1) > limit else f"{value:.8g}"
    return f"{what}: {shown}{unit}, at most {limit:g}{unit} is allowed"


def _fault(image: Path | None) -> str | None:
    if image is None:
        return "image: there is none"
    try:
        facts = read_image(image.read_bytes())
    except OSError as error:
        return f"image: {image} cannot be read ({error.strerror})"
    except ImageError as error:
        return f"image: {error.message}"
    if facts.size > MAX_IMAGE_SIZE:
        return f"image: {facts.size:,} bytes, at most {MAX_IMAGE_SIZE:,} fit the partition"
    return None
