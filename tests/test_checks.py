"""Checks add up to verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.checks import Check, Status, Verdict, verdict

statuses = st.sampled_from(Status)


def check(status: Status) -> Check:
    """Make a check with a status."""
    return Check("a thing: is so", status, "seen")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([], Verdict.UNKNOWN),
        ([Status.NOT_CONFIGURED], Verdict.UNKNOWN),
        ([Status.OK], Verdict.OK),
        ([Status.OK, Status.NOT_CONFIGURED], Verdict.OK),
        ([Status.OK, Status.WARN], Verdict.WARN),
        ([Status.WARN, Status.UNKNOWN], Verdict.UNKNOWN),
        ([Status.UNKNOWN, Status.FAIL, Status.OK], Verdict.FAIL),
    ],
)
def test_the_worst_counted_check_is_the_verdict(seen: list[Status], expected: Verdict) -> None:
    """FAIL beats UNKNOWN beats WARN beats OK; what is not configured is not counted; nothing seen is unknown."""
    assert verdict(map(check, seen)) is expected


@given(st.lists(statuses))
def test_the_order_of_checks_does_not_matter(seen: list[Status]) -> None:
    """A verdict does not depend on the order in which things were asked."""
    assert verdict(map(check, seen)) is verdict(map(check, reversed(seen)))


@given(st.lists(statuses), statuses)
def test_one_more_check_never_turns_a_fail_green(seen: list[Status], more: Status) -> None:
    """Adding a check never makes a failing run pass."""
    if verdict(map(check, seen)) is Verdict.FAIL:
        assert verdict(map(check, [*seen, more])) is Verdict.FAIL


@pytest.mark.parametrize(
    ("value", "passes", "strictly"),
    [("OK", True, True), ("WARN", True, False), ("UNKNOWN", False, False), ("FAIL", False, False)],
)
def test_what_passes(value: str, passes: bool, strictly: bool) -> None:
    """OK and WARN pass, strictly only OK does."""
    assert Verdict(value).passes() is passes
    assert Verdict(value).passes(strict=True) is strictly
    assert not Verdict.INTERRUPTED.passes()
