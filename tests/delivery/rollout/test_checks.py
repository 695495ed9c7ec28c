"""What a rollout has shown, as checks."""

from __future__ import annotations

import pytest

from k1nb.checks import Status, Verdict, verdict
from k1nb.delivery.rollout import Decision, Gate, Notes, Policy, Standing, checks, plan
from tests.delivery.rollout.samples import NOON, a_progress, a_rollout, deployment, device
from tests.delivery.rollout.test_plan import facts

ROLLOUT = a_rollout(1, 2)
OPEN = Gate(1, Decision.GO_ON, 1, ("1 of 1",), NOON)


def test_a_plan_is_a_warning_with_the_way_to_apply_it() -> None:
    """Planned and not applied is WARN; nothing to do is OK."""
    seen, (_, planned) = facts(), plan(facts(), Policy())
    (check,) = checks(seen, planned, None)
    assert (check.status, planned.id in str(check.hint)) == (Status.WARN, True)
    done = facts(current=facts().devices)
    (check,) = checks(done, plan(done, Policy())[1], None)
    assert check.status is Status.OK
    assert "5 of 5 devices" in check.evidence


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        (Standing.COMPLETED, Verdict.OK),
        (Standing.PENDING, Verdict.WARN),
        (Standing.RUNNING, Verdict.WARN),
        (Standing.PAUSED, Verdict.WARN),
        (Standing.APPROVAL, Verdict.WARN),
        (Standing.STOPPED, Verdict.FAIL),
        (Standing.ABORTED, Verdict.FAIL),
        (Standing.BROKEN, Verdict.FAIL),
    ],
)
def test_how_it_stands_is_the_verdict(standing: Standing, expected: Verdict) -> None:
    """Only a completed rollout is OK, only one that ended without success is FAIL; each else has its next step."""
    gates = (OPEN, Gate(2, Decision.GO_ON, 2, ("2 of 2",), NOON))
    progress = a_progress(ROLLOUT, standing, *map(deployment, range(3)), notes=Notes(gates=gates))
    found = checks(facts(), plan(facts(), Policy())[1], progress)
    assert verdict(found) is expected
    assert all(check.hint for check in found if check.status in (Status.WARN, Status.FAIL))


def test_devices_are_named_with_their_reasons() -> None:
    """A completed rollout with failures below the threshold, or with pending devices, is WARN and names them."""
    notes = Notes({device(2).mac: "offline: it does not answer"}, gates=(OPEN,))
    progress = a_progress(ROLLOUT, Standing.COMPLETED, deployment(0), deployment(1, "rolled_back"), notes=notes)
    found = {check.name.partition(": ")[2]: check for check in checks(facts(), plan(facts(), Policy())[1], progress)}
    assert found["failed devices"].evidence == "sim-01 (the device is unhealthy; seen)"
    assert found["pending devices"].evidence == "sim-02 (offline: it does not answer)"
    assert verdict(found.values()) is Verdict.WARN


def test_gates_are_told_one_by_one() -> None:
    """An open gate is OK, one that stopped FAIL, and one that was not reached is listed and not counted."""
    stop = Gate(1, Decision.STOP, 1, ("1 of 1 device failed",), NOON)
    progress = a_progress(ROLLOUT, Standing.STOPPED, deployment(0, "failed"), notes=Notes(gates=(stop,)))
    found = {check.name.partition(": ")[2]: check for check in checks(facts(), plan(facts(), Policy())[1], progress)}
    assert (found["gate of wave 1"].status, found["gate of wave 1"].evidence) == (Status.FAIL, "1 of 1 device failed")
    assert found["gate of wave 2"].status is Status.NOT_CONFIGURED


def test_devices_that_do_not_run_it_any_more_are_a_failure() -> None:
    """A completed rollout is no answer for a device that something else has reached since."""
    progress = a_progress(ROLLOUT, Standing.COMPLETED, *map(deployment, range(3)), strayed=(device(1),))
    (wrong,) = [c for c in checks(facts(), plan(facts(), Policy())[1], progress) if c.status is Status.FAIL]
    assert (wrong.name.partition(": ")[2], wrong.evidence) == ("devices run it still", "not proven now: sim-01")
