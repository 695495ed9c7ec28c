"""What the lights of a simulated device show: drawn from what the running image says of its pattern."""

from __future__ import annotations

from collections.abc import Iterator

from k1nb.device._facts import LED_COUNT
from k1nb.device.simulator._board import Board
from k1nb.firmware import SampleLight, Style

STRIP = LED_COUNT
CYCLE = 1024
"""Steps of a cycle, in which a wave rises to 1023 and falls again."""
BAND = 16
"""Lights that a chase has lit."""

Light = tuple[int, int, int]


def shown(board: Board, count: int) -> list[Light]:
    """Return red, green and blue of the first lights, 0 to 255 each, as the pattern shows them now."""
    light = board.firmware.patterns[board.pattern].light
    frame = int(board.uptime_ms * board.firmware.health.fps / 1000)
    brightness = float(board.params["brightness"])
    return [_dimmed(linear, brightness) for linear in drawn(light, frame, count)]


def drawn(light: SampleLight, frame: int, count: int = STRIP) -> Iterator[Light]:
    """Yield what a frame has, 0 to 1023 each, as the drawings of the sample firmware have it."""
    phase = int(frame * light.speed)
    for place in range(count):
        if light.style is Style.WAVE:
            yield _lit(light, phase + place * 6 + light.hue, CYCLE - 1)
        elif light.style is Style.BREATHE:
            yield _lit(light, light.hue, _wave(phase))
        elif light.style is Style.CHASE:
            yield _lit(light, light.hue, CYCLE - 1 if (place - phase * STRIP // CYCLE) % STRIP < BAND else 0)
        else:
            yield _lit(light, light.hue, CYCLE - 1)


def _lit(light: SampleLight, hue: int, strength: int) -> Light:
    """Return a colour of the wheel, a wave for each channel, at a strength and the pattern's level."""
    red, green, blue = (_wave(hue + 341 * channel) * strength // 1023 * light.level // 1023 for channel in range(3))
    return red, green, blue


def _wave(phase: int) -> int:
    position = phase % CYCLE
    return position * 2 if position < 512 else (1023 - position) * 2 + 1


def _dimmed(linear: Light, brightness: float) -> Light:
    red, green, blue = (int(part * brightness) >> 2 for part in linear)
    return red, green, blue
