"""What a plan of a rollback tells, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from k1nb.config import Settings
from k1nb.delivery import ROLLBACK, Goal, Past
from k1nb.delivery.rollback import RollbackFacts, apply, plan
from k1nb.errors import ConductorUnreachable
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


def test_a_resumed_rollback_does_not_say_that_nothing_was_sent(settings: Settings) -> None:
    """A device that is silent now: what the ledger knows to have been sent is told, and the server is asked first."""
    sent = row(2, "a", Grade.ACCEPTED, ROLLBACK, None)
    silent = replace(facts(replace(past(GOOD_A, sent, shows="b"), seen=None)), ota_answers=False)
    planned = plan(silent)

    def told(**words: Any) -> str:
        done = apply(settings, silent, planned, consent=planned.id, **words)
        assert done is not None
        assert done.outcome is Outcome.needs_usb
        return done.evidence[-1]

    assert told() == told(direct=True) == told(direct=True, since=sent.started_at + timedelta(seconds=1))
    assert told() == "nothing was sent"
    assert told(direct=True, since=sent.started_at) == f"a was sent to it at {sent.started_at:%H:%M:%S}, grade ACCEPTED"
    with pytest.raises(ConductorUnreachable):
        told(since=sent.started_at)
