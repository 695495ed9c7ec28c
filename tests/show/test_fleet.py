"""A rollout as a picture."""

from __future__ import annotations

from datetime import timedelta

from k1nb import show
from k1nb.delivery.rollout import Decision, Gate, Notes, Standing
from k1nb.show._figure import COLOURS
from tests.delivery.rollout.samples import NOON, a_progress, a_rollout, deployment, device
from tests.show.test_timeline import texts

GATE = Gate(1, Decision.GO_ON, 1, ("good",), NOON)


def test_every_device_has_its_row_and_its_state() -> None:
    """Names stand left, what is not a success right, and bars are in the colour of the state."""
    notes = Notes({device(2).mac: "offline"}, gates=(GATE,))
    later = NOON + timedelta(seconds=30)
    deployments = (deployment(0, ended=later), deployment(1, "rolled_back", ended=later))
    figure = show.fleet(a_progress(a_rollout(1, 3), Standing.STOPPED, *deployments, notes=notes))
    words = texts(figure)
    assert {"sim-00", "sim-01", "sim-02", "sim-03", "failed, rolled back", "pending", "not reached"} <= set(words)
    assert "stopped: 1 succeeded, 1 failed, 1 pending, 1 not reached" in words
    svg: str = figure._repr_svg_()  # type: ignore[attr-defined] # our figures have it
    assert COLOURS["COMPLETED"] in svg
    assert COLOURS["FAILED"] in svg


def test_a_large_fleet_is_drawn_lower() -> None:
    """Two hundred devices give a figure that can still be looked at."""
    figure = show.fleet(a_progress(a_rollout(1, 199), Standing.RUNNING, *map(deployment, range(50))))
    assert figure.get_size_inches()[1] < 35
    assert "sim-199" in texts(figure)


def test_nothing_to_deploy_says_so() -> None:
    """A rollout without devices is one sentence."""
    assert "No device is to be deployed to." in texts(show.fleet(a_progress(a_rollout(), Standing.COMPLETED)))
