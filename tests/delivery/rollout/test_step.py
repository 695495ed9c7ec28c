"""What a rollout does next."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from k1nb.delivery.rollout import Decision, Gate, Next, Notes, Result, known_of, next_step
from tests.delivery.rollout.samples import NOON, a_rollout, deployment, device


def test_a_wave_begins_up_to_the_bound() -> None:
    """Of a wave so many begin as are free of the bound, those under way counted, wherever they are."""
    rollout = a_rollout(5, parallel=3)
    step = next_step(rollout, known_of(rollout, Notes(), []), NOON)
    assert (step.next, [d.name for d in step.devices]) == (Next.DEPLOY, ["sim-00", "sim-01", "sim-02"])
    known = known_of(rollout, Notes(), [deployment(0, None), deployment(1), deployment(2, None)])
    assert [d.name for d in next_step(rollout, known, NOON).devices] == ["sim-03"]
    full = known_of(rollout, Notes(), [deployment(n, None) for n in range(3)])
    assert next_step(rollout, full, NOON).next is Next.WATCH


def test_a_soak_lasts_from_the_last_result() -> None:
    """What is left of the soak is waited for; then the wave is looked at, judged, and the next one begins."""
    rollout = a_rollout(1, 1, soak_seconds=60)
    known = known_of(rollout, Notes(), [deployment(0)])
    soaks = next_step(rollout, known, NOON + timedelta(seconds=20))
    assert (soaks.next, soaks.seconds) == (Next.SOAK, 40)
    assert next_step(rollout, known, NOON + timedelta(seconds=60)).next is Next.VERIFY
    judged = Notes(gates=(Gate(1, Decision.GO_ON, 1, ("good",), NOON),))
    further = next_step(rollout, known_of(rollout, judged, [deployment(0)]), NOON)
    assert (further.next, further.wave) == (Next.DEPLOY, 2)


def test_a_stop_waits_for_what_is_under_way() -> None:
    """Too many failures begin nothing more; the end comes when nothing runs any more."""
    rollout = a_rollout(4)
    known = known_of(rollout, Notes(), [deployment(0, "rolled_back"), deployment(1, None)])
    assert next_step(rollout, known, NOON).next is Next.WATCH
    known = known_of(rollout, Notes(), [deployment(0, "rolled_back"), deployment(1)])
    step = next_step(rollout, known, NOON)
    assert (step.next, step.result) == (Next.END, Result.STOPPED)
    assert "1 of 4 devices failed" in step.reasons[0]


@pytest.mark.parametrize(("answer", "expected"), [(None, Next.APPROVAL), (True, Next.DEPLOY), (False, Next.END)])
def test_a_person_is_asked_before_a_further_wave(answer: bool | None, expected: Next) -> None:
    """Without an answer the next wave waits, with yes it begins, with no the rollout stops."""
    rollout = a_rollout(1, 1, approval=True)
    notes = Notes(gates=(Gate(1, Decision.GO_ON, 1, ("good",), NOON),), approvals={} if answer is None else {2: answer})
    step = next_step(rollout, known_of(rollout, notes, [deployment(0)]), NOON)
    assert (step.next, step.wave) == (expected, 2)
    assert (step.result is Result.STOPPED) is (answer is False)


def test_a_late_result_is_judged_again() -> None:
    """A pending device that was deployed to later reopens its wave's gate before anything else begins."""
    rollout = a_rollout(2, 1, soak_seconds=0)
    gate = Gate(1, Decision.GO_ON, 1, ("good",), NOON)
    waits = known_of(rollout, Notes({device(1).mac: "offline"}, gates=(gate,)), [deployment(0)])
    assert next_step(rollout, waits, NOON).wave == 2
    again = known_of(rollout, Notes(gates=(gate,)), [deployment(0), deployment(1)])
    assert (next_step(rollout, again, NOON).next, next_step(rollout, again, NOON).wave) == (Next.VERIFY, 1)


def test_a_pending_canary_holds_the_rollout() -> None:
    """Where the canary is offline nothing goes on, and nothing has failed."""
    rollout = a_rollout(1, 3)
    step = next_step(rollout, known_of(rollout, Notes({device(0).mac: "offline"}), []), NOON)
    assert (step.next, step.result) == (Next.END, Result.PENDING)
    assert "1 pending" in step.reasons[0]


def test_a_rollout_ends_by_its_limit() -> None:
    """After its time nothing begins any more; that is no decision on the rollout, so that another execution goes on."""
    rollout = a_rollout(2)
    known = known_of(rollout, Notes(), [], NOON)
    step = next_step(rollout, known, NOON + timedelta(seconds=100), 100)
    assert (step.next, step.result) == (Next.END, Result.EXPIRED)
    running = replace(known_of(rollout, Notes(), [deployment(0, None)]), begun_at=NOON)
    assert next_step(rollout, running, NOON + timedelta(seconds=100), 100).next is Next.WATCH


def test_a_device_that_vanished_is_a_failure() -> None:
    """Good at its deployment and gone at the end of the soak counts against the gate."""
    rollout = a_rollout(1, 1, soak_seconds=0)
    notes = Notes(lost={device(0).mac: "vanished"})
    step = next_step(rollout, known_of(rollout, notes, [deployment(0)]), NOON)
    assert (step.next, step.result) == (Next.END, Result.STOPPED)
