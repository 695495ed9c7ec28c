"""Patterns on a simulated device: watched and measured."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device import Device, DeviceClient
from k1nb.errors import DeviceBusy, UnknownName
from k1nb.paths import Paths
from k1nb.patterns import LightFrame, PatternMetrics, judge, measure, validate
from k1nb.patterns._measure import evenly, medians
from tests.device.conftest import QUICK, Running, running, simulated

T = TypeVar("T")
FIGURES = st.floats(0, 1e6)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Running]:
    """A simulated device fresh from the factory."""
    home = tmp_path_factory.mktemp("patterns")
    with running([simulated(free_port)], Paths(home, home / "cache", home / "artifacts")) as simulation:
        yield simulation


def ask(bench: Running, question: Callable[[DeviceClient], Awaitable[T]]) -> T:
    """Ask the device through a client."""

    async def inside() -> T:
        async with DeviceClient(bench.device, bench.paths, QUICK) as client:
            return await question(client)

    return asyncio.run(inside())


def test_a_pattern_is_watched_and_measured(bench: Running) -> None:
    """The selected pattern is lit and changing, no frame comes faster than the window; its figures are the device's."""
    seen = ask(bench, lambda client: validate(client, "lava", seconds=1.0, static=False))
    assert (seen.visual_check_passed, seen.reason) == (True, "lit and changing")
    assert (seen.frames, seen.lit_frames) == (len(seen.validation_log), seen.frames)
    moments = [frame.at_ms for frame in seen.samples]
    assert all(after - before >= 200 for before, after in pairwise(moments))
    assert bench.state()["refused_429"] == 0
    figures = ask(bench, lambda client: measure(client, "lava"))
    assert figures.fps == pytest.approx(118, rel=0.01)
    assert figures.avg_render_time_ms == pytest.approx(4.9, rel=0.01)
    assert figures.avg_render_time_ms <= figures.max_render_time_ms < 5.1
    assert figures.audio_latency_ms == pytest.approx(4, rel=0.01)
    assert figures.free_heap_bytes == 142 * 1024


def test_a_pattern_that_is_not_in_the_firmware_is_named(bench: Running) -> None:
    """The device's 404 is said as what it means, and is no reason to try again."""
    with pytest.raises(UnknownName, match="has no pattern 'never_built'"):
        ask(bench, lambda client: validate(client, "never_built", seconds=0.1, static=False))


def test_another_pattern_is_not_measured_for_this_one(bench: Running) -> None:
    """Where somebody selected something else the figures would be another pattern's: busy, to be tried again."""
    with pytest.raises(DeviceBusy, match=r"shows .*, not twilight"):
        ask(bench, lambda client: measure(client, "twilight"))


def test_a_dark_device_does_not_pass(bench: Running) -> None:
    """Brightness 0 shows black frames; they do not pass, not even for a static pattern."""

    async def darkened(client: DeviceClient) -> tuple[bool, str]:
        await client.set_params({"brightness": 0.0})
        try:
            seen = await validate(client, "lava", seconds=0.1, static=True)
        finally:
            await client.set_params({"brightness": 1.0})
        return seen.visual_check_passed, seen.reason

    assert ask(bench, darkened) == (False, "every light was black all the time")


BLACK, RED, BLUE = ["000000"] * 3, ["FF0000", "000000", "000000"], ["0000FF"] * 3


@pytest.mark.parametrize(
    ("shown", "static", "passed", "reason"),
    [
        ([RED, BLUE], False, True, "lit and changing"),
        ([BLACK, RED], False, True, "lit and changing"),
        ([RED, RED], False, False, "the lights never changed"),
        ([RED, RED], True, True, "lit, and static"),
        ([BLACK, BLACK], True, False, "every light was black"),
        ([BLACK, BLACK], False, False, "every light was black"),
        ([RED, BLUE], True, True, "lit, and static"),
        ([], False, False, "every light was black"),
    ],
)
def test_black_and_still_lights_are_told(shown: list[list[str]], static: bool, passed: bool, reason: str) -> None:
    """Not all black, and changing unless the pattern is static."""
    frames = [LightFrame(at_ms=n * 250, lights=lights) for n, lights in enumerate(shown)]
    seen = judge(frames, static=static)
    assert seen.visual_check_passed is passed
    assert seen.reason.startswith(reason)


@given(looks=st.lists(st.builds(PatternMetrics, fps=FIGURES, avg_render_time_ms=FIGURES, max_render_time_ms=FIGURES,
                                audio_latency_ms=FIGURES, free_heap_bytes=st.integers(0, 10**6)),
                      min_size=5, max_size=9))  # fmt: skip
def test_a_median_lies_between_its_samples(looks: list[PatternMetrics]) -> None:
    """No figure is below the least or above the greatest of what was read."""
    found = medians(looks)
    for name in PatternMetrics.model_fields:
        values = [getattr(look, name) for look in looks]
        assert min(values) <= getattr(found, name) <= max(values)


@given(items=st.lists(st.integers(), max_size=200), count=st.integers(2, 20))
def test_samples_are_kept_from_the_first_to_the_last(items: list[int], count: int) -> None:
    """At most so many, in order, the ends among them."""
    kept = evenly(items, count)
    assert len(kept) == min(count, len(items))
    assert (kept[:1], kept[-1:]) == (items[:1], items[-1:])


def test_the_client_reads_frames(bench: Running) -> None:
    """Lights come as RRGGBB, as many as were asked for."""
    frame = ask(bench, lambda client: client.led_frame(7))
    assert (frame.count, len(frame.data)) == (160, 7)
    assert isinstance(bench.device, Device)
