"""Tests of the bound that counts without separators give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.device._ota_counts import MOST_WRITTEN, Counts


def most(*digits: str) -> int:
    """Return the bound after these pieces."""
    counts = Counts()
    for piece in digits:
        counts.add(piece)
    return counts.most


@pytest.mark.parametrize(
    ("digits", "bound"),
    [
        ("", 0),
        ("1460", 1460),
        ("146014601024", 1460 + 1460 + 1024),
        ("7", 7),
        ("1461", 1 + 461),
        ("99991", 999 + 91),
        ("5361460", 536 + 1460),
    ],
)
def test_the_bound_is_the_largest_sum(digits: str, bound: int) -> None:
    """Digits are cut into counts of at most 1,460 so that their sum is largest."""
    assert most(digits) == bound


@given(st.lists(st.integers(1, MOST_WRITTEN), max_size=60), st.data())
def test_no_counts_add_up_to_more_than_the_bound(counts: list[int], data: st.DataObject) -> None:
    """Whatever a device counted and however that was cut on its way, the bound is not below it."""
    digits = "".join(map(str, counts))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(digits)), max_size=10)))
    pieces = [digits[start:end] for start, end in zip([0, *cuts], [*cuts, len(digits)], strict=True)]
    assert most(*pieces) >= sum(counts)
    assert most(*pieces) == most(digits)


@given(st.integers(0, 2000), st.integers(1, MOST_WRITTEN))
def test_full_writes_are_counted_exactly(full: int, last: int) -> None:
    """Where every write but the last is full, as on a stream that is never short of bytes, the bound is the count."""
    whole = full * MOST_WRITTEN
    assert most(str(MOST_WRITTEN) * full) == whole
    assert most(str(MOST_WRITTEN) * full, str(last)) == whole + last
