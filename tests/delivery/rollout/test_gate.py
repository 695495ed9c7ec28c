"""The gate after a wave, as a table."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.delivery.rollout import Decision, Policy, Tally, judge

GO_ON, WAIT, HOLD, STOP = Decision.GO_ON, Decision.WAIT, Decision.HOLD, Decision.STOP


@pytest.mark.parametrize(
    ("counts", "policy", "decision", "said"),
    [
        ({"size": 1, "good": 1}, {}, GO_ON, "1 of 1 device run the artifact"),
        ({"size": 1, "failed": 1}, {}, STOP, "1 of 1 device failed, at most 10 % may"),
        ({"size": 1, "running": 1}, {}, WAIT, "0 of 1"),
        ({"size": 1, "pending": 1}, {}, HOLD, "0 results of 1 wanted, 1 pending"),
        ({"size": 1}, {}, STOP, "0 results of 1 wanted"),
        ({"size": 10, "good": 9, "failed": 1}, {}, GO_ON, "1 failed"),
        ({"size": 10, "good": 3, "failed": 1, "waiting": 6}, {}, WAIT, "4 of 10"),
        ({"size": 10, "good": 3, "failed": 2, "waiting": 5}, {}, STOP, "2 of 10 devices failed"),
        ({"size": 10, "failed": 2, "waiting": 8}, {"minimum_sample": 3}, WAIT, "2 of 10"),
        ({"size": 10, "failed": 2, "good": 1, "running": 7}, {"minimum_sample": 3}, STOP, "2 of 10"),
        ({"size": 2, "failed": 2}, {"minimum_sample": 9}, STOP, "2 of 2"),
        ({"size": 10, "good": 2, "failed": 1, "pending": 7}, {}, STOP, "1 of 3 results are failures"),
        ({"size": 10, "good": 4, "pending": 6}, {}, HOLD, "4 of 10 devices run the artifact, 50 % are wanted"),
        ({"size": 10, "good": 4, "pending": 6}, {"success_percent": 40}, GO_ON, "6 pending"),
        ({"size": 4, "good": 2, "failed": 2}, {"error_percent": 100, "success_percent": 80}, STOP, "80 % are wanted"),
        ({"size": 4, "failed": 4}, {"error_percent": 100, "success_percent": 0}, GO_ON, "0 of 4"),
        ({"size": 34, "good": 31, "failed": 3}, {}, GO_ON, "31 of 34"),
        ({"size": 34, "good": 30, "failed": 4}, {}, STOP, "4 of 34"),
    ],
)
def test_the_gate_says_what_the_figures_say(
    counts: dict[str, int], policy: dict[str, Any], decision: Decision, said: str
) -> None:
    """Errors stop as soon as they are too many, pending devices hold, and everything else waits for the end."""
    judged = judge(Tally(**counts), Policy(**policy))
    assert judged.decision is decision
    assert said in judged.reasons[0]


COUNTS = st.integers(0, 12)


@given(
    waiting=COUNTS,
    running=COUNTS,
    good=COUNTS,
    failed=COUNTS,
    pending=COUNTS,
    errors=st.floats(0, 100),
    success=st.floats(0, 100),
    sample=st.integers(1, 20),
)
def test_one_more_failure_never_opens_a_gate(
    waiting: int, running: int, good: int, failed: int, pending: int, errors: float, success: float, sample: int
) -> None:
    """Were one good device a failure, a gate that is not open would stay so, and an open one has reasons."""
    size = waiting + running + good + failed + pending
    policy = Policy(error_percent=errors, success_percent=success, minimum_sample=sample)
    if not good:
        return
    now = judge(Tally(size, waiting, running, good, failed, pending), policy)
    worse = judge(Tally(size, waiting, running, good - 1, failed + 1, pending), policy)
    order = [GO_ON, WAIT, HOLD, STOP]
    assert order.index(worse.decision) >= order.index(now.decision)
    assert now.reasons
