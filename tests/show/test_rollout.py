"""Rollouts on a terminal."""

from __future__ import annotations

from datetime import timedelta

from k1nb import show
from k1nb.delivery.rollout import Decision, Gate, Notes, Standing
from tests.delivery.rollout.samples import NOON, a_progress, a_rollout, deployment, device
from tests.show.test_terminal import printed

ROLLOUT = a_rollout(1, 2)
GATE = Gate(1, Decision.GO_ON, 1, ("1 of 1 device run the artifact",), NOON)
NOTES = Notes({device(2).mac: "offline: it does not answer"}, gates=(GATE,))


def test_a_rollout_is_a_table_per_wave_and_device() -> None:
    """Each wave has its gate, each device its state, grade, length, and the id of a deployment that failed."""
    failed = deployment(1, "rolled_back", ended=NOON + timedelta(seconds=90))
    progress = a_progress(ROLLOUT, Standing.PENDING, deployment(0), failed, notes=NOTES, picked_up=NOON)
    text = printed(show.print_rollout, progress)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "pending" in lines[ROLLOUT.id]
    assert "go on  1 of 1 device run the artifact" in lines["1"]
    assert "IDENTIFIED" in lines["sim-00"]
    assert "1 min 30 s" in lines["sim-01"]
    assert "(execution-1)" in lines["sim-01"]
    assert "offline: it does not answer" in lines["sim-02"]
    assert "gate not decided" in lines["2"]
    assert "tried again at 2026-03-01 12:00:00 UTC" in text


def test_only_what_has_changed_is_told_while_it_is_followed() -> None:
    """A line for each device in another state, for each new gate and for the whole; who still waits is not news."""
    begun = a_progress(ROLLOUT, Standing.RUNNING, deployment(0, None))
    first = printed(show.print_rollout_changes, None, begun)
    assert "sim-00  running" in first
    assert "sim-01" not in first
    further = a_progress(ROLLOUT, Standing.RUNNING, deployment(0), deployment(1, None), notes=Notes(gates=(GATE,)))
    second = printed(show.print_rollout_changes, begun, further)
    assert "wave 1  sim-00  succeeded  IDENTIFIED" in second
    assert "wave 1  gate  go on" in second
    assert ROLLOUT.id not in second
    assert printed(show.print_rollout_changes, further, further) == ""


def test_rollouts_are_lines() -> None:
    """One line each; none says how to plan one."""
    assert "k1nb rollout plan" in printed(show.print_rollouts, [])
    text = printed(show.print_rollouts, [a_progress(ROLLOUT, Standing.APPROVAL, deployment(0))])
    assert "waits for approval" in text
    assert "1 succeeded, 2 waiting" in text or "2 waiting, 1 succeeded" in text
