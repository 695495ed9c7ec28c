"""From devices and sizes to waves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.delivery.rollout import divide, sizes
from k1nb.errors import UnknownName, UsageError
from tests.delivery.rollout.samples import device

WORDS = st.lists(st.integers(1, 60).map(str) | st.integers(1, 100).map(lambda n: f"{n}%"), max_size=6)


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("1, 10%, 30%", 50, [1, 5, 15, 29]),
        ("1, 10%, 30%", 6, [1, 1, 2, 2]),
        ("1, 10%, 30%", 1, [1]),
        ("1 10% 30%", 2, [1, 1]),
        ("100%", 7, [7]),
        ("60%, 60%, 5", 10, [6, 4]),
        ("", 3, [3]),
        ("5", 0, []),
    ],
)
def test_sizes_are_numbers_or_shares_and_the_rest_is_one_wave(text: str, count: int, expected: list[int]) -> None:
    """Shares are of all devices, rounded up; what goes beyond the end is cut, what is left over is the last wave."""
    assert sizes(text, count) == expected


@pytest.mark.parametrize("text", ["0", "0%", "101%", "ten", "-1", "1.5", "5%%", "1;2"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A word that is no size is named."""
    with pytest.raises(UsageError, match="is no size of a wave"):
        sizes(text, 10)


@given(words=WORDS, count=st.integers(0, 120), canary=st.booleans())
def test_every_device_is_in_one_wave(words: list[str], count: int, canary: bool) -> None:
    """Whatever the sizes, no wave is empty and each device is in exactly one."""
    devices = [device(number, role="production" if number % 3 else "test") for number in range(count)]
    named = [devices[-1].name] if canary and devices else []
    waves = divide(devices, ", ".join(words), named)
    assert all(waves)
    assert sorted(d.mac for wave in waves for d in wave) == sorted(d.mac for d in devices)
    if named:
        assert [d.name for d in waves[0]] == named


def test_test_devices_come_first_and_a_canary_before_them() -> None:
    """Without a canary the first is of role test; with one the first wave is that alone, and the sizes go on after."""
    devices = [device(0, role="production"), device(1), device(2, role="production"), device(3)]
    assert [[d.name for d in wave] for wave in divide(devices, "1, 2")] == [
        ["sim-01"],
        ["sim-03", "sim-00"],
        ["sim-02"],
    ]
    named = divide(devices, "1, 2", ["sim-02"])
    assert [[d.name for d in wave] for wave in named] == [["sim-02"], ["sim-01", "sim-03"], ["sim-00"]]


def test_a_canary_that_needs_nothing_is_refused() -> None:
    """A canary that is not among the devices is named."""
    with pytest.raises(UnknownName, match="canary 'sim-09'"):
        divide([device(0)], "1", ["sim-09"])
