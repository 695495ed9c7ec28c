"""Checks add up to verdicts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import example, given
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


@given(st.dictionaries(st.text(max_size=9), st.floats() | st.integers(), max_size=4), st.text(st.characters()))
@example({"a": float("nan"), "b": float("inf"), "c": 10**400, "d": 1.5}, "seen \ud800")
def test_a_check_holds_only_what_a_record_can_keep(values: dict[str, float], text: str) -> None:
    """A value that is no finite number is told in the evidence, not measured; no text has half a surrogate pair."""
    made = Check(text, Status.OK, text, text, text, values=values)
    kept = json.dumps(made.as_dict(), allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert json.loads(kept)["values"] == made.values
    assert len(made.values) + made.evidence.count(", no finite number") == len(values)
    assert replace(made) == made


def test_what_could_not_be_kept_is_spelt_out() -> None:
    """Nothing that was seen is lost: the value stands in the evidence, the letter as its escape."""
    made = Check("a\udcff", Status.OK, "seen", values={"heap": float("nan"), "free": 2})
    assert (made.name, made.evidence) == ("a\\udcff", "seen; heap is nan, no finite number")
    assert made.values == {"free": 2}
