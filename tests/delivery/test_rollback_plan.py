"""What a plan of a rollback tells, as a table."""

from __future__ import annotations

import pytest

from k1nb.delivery import Goal, Past
from k1nb.delivery.rollback import RollbackFacts, plan
from k1nb.firmware import Grade, Outcome
from tests.delivery.test_past import GOOD_A, STAMPED, past, row
from tests.delivery.test_preflight import DEVICE


def facts(before: Past) -> RollbackFacts:
    """Make the facts of a rollback to artifact a."""
    return RollbackFacts(DEVICE, before, STAMPED["a"], Goal("a", "the newest proven healthy"), False, True)


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (past(GOOD_A, row(2, "b", Grade.REBOOTED, outcome=None), shows="b"), True),
        (past(GOOD_A, row(2, "b", Grade.REBOOTED, outcome=Outcome.failed), shows="b"), False),
    ],
)
def test_a_deployment_under_way_is_told(before: Past, told: bool) -> None:
    """A deployment that has not concluded may roll back by itself, so whoever consents is told."""
    (step,) = plan(facts(before)).steps
    assert ("execution e2 has not concluded" in step.why) is told
