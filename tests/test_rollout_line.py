"""Rollouts on real parts: server, worker host, command line, notebook, and a small fleet of simulated devices.

The stack is the module's own, for its worker host is killed. The fleet of fifty: `python -m tests.endurance rollout`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from k1nb.checks import Status, Verdict
from k1nb.config import load
from k1nb.delivery import rollout
from k1nb.delivery.rollout import Policy, Selection, Standing
from k1nb.device import Inventory, flash_lock
from k1nb.errors import ArtifactError, ConsentError, UsageError
from k1nb.firmware import Artifact
from k1nb.records import run_notebook
from tests.conftest import FreePort, make_home, processes_of
from tests.fleet import Fleet, Planned, fleet_of, some_devices
from tests.test_json import held

pytestmark = pytest.mark.xdist_group("fleet")
WORDS = ("--waves", "1", "--soak", "0.5", "--pick-up", "0/3 * * * * ?")
POLICY = Policy(waves="1", soak_seconds=0.5, pick_up="0/3 * * * * ?")
LAST = "sim-03"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, free_port: FreePort) -> Iterator[Fleet]:
    """Return four simulated devices, the last one of production, with a stack of their own."""
    home = make_home(tmp_path_factory.mktemp("fleet") / "home", free_port, timings_scale=0.2, server_heap_mb=512)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("K1NB_HOME", str(home))
        settings = load()
    *devices, last = some_devices(4, free_port)
    fleet = fleet_of(settings, [*devices, replace(last, role="production")])
    with fleet.up():
        fleet.switch_on(off=[LAST])
        yield fleet
    assert not processes_of(settings.paths)


def test_a_bad_canary_stops_the_rollout(fleet: Fleet) -> None:
    """An image that is unhealthy on the canary reaches no other device; the command ends with 1 and names it."""
    bad = fleet.artifact(1, fps=11.0)
    planned = held(fleet.settings, "rollout plan", bad.id[:12], *WORDS)
    assert planned["waves"] == [["sim-00"], ["sim-01", "sim-02", LAST]]
    assert planned["silent"] == [LAST]
    consent = planned["plan"]["id"]
    done = held(fleet.settings, "rollout apply", bad.id, *WORDS, "--follow", "--apply", consent, codes=(1,))
    assert (done["result"]["rollout"], done["result"]["standing"]) == (consent, "stopped")
    assert done["result"]["counts"] == {"failed": 1, "not_reached": 3}
    assert "11.0 FPS" in done["result"]["waves"][0]["devices"][0]["reason"]
    assert fleet.flashes() == {"sim-00": 1, "sim-01": 0, "sim-02": 0, LAST: 0}
    with fleet.conductor() as conductor, pytest.raises(UsageError, match="cannot be resumed: it is stopped"):
        rollout.resume(fleet.settings, conductor, rollout.find(conductor, consent))


@pytest.mark.long
def test_a_rollout_whose_worker_host_is_killed_goes_on_by_itself(fleet: Fleet) -> None:
    """Killed in the middle of a wave, no device is flashed twice; the one that is off is named, and picked up later."""
    good, before = fleet.artifact(2), fleet.flashes()
    words = {"artifact": good.id, "waves": "100%", "soak_seconds": "0.5", "pick_up": POLICY.pick_up}
    planned = fleet.plan(good, replace(POLICY, waves="100%"))

    def kill_in_the_middle() -> None:
        planned.until(lambda now: now.counts().get("running", 0) == 3, "all of them are under way")
        fleet.kill("workers")

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    record = run_notebook(fleet.settings, "fleet_rollout", words, apply=planned.plan.id)
    killer.join()
    assert record.verdict is Verdict.WARN, [check.evidence for check in record.checks]
    named = [check for check in record.checks if check.status is Status.WARN and "pending devices" in check.name]
    assert f"{LAST} (offline: it does not answer)" in named[0].evidence
    assert planned.now().standing in (Standing.PENDING, Standing.RUNNING)  # it may be tried again already
    assert {name: count - before[name] for name, count in fleet.flashes().items()} == {
        "sim-00": 1,
        "sim-01": 1,
        "sim-02": 1,
        LAST: 0,
    }
    fleet.also_on(LAST)
    planned.until(lambda now: now.standing is Standing.COMPLETED, "picked up")
    assert set(planned.states().values()) == {"succeeded"}
    assert set(fleet.running().values()) == {good.id}
    assert fleet.flashes()[LAST] == 1
    with fleet.conductor() as conductor:
        assert conductor.schedules(rollout.WORKFLOW) == []
    assert fleet.plan(good, POLICY).plan.steps == ()


@pytest.mark.long
def test_people_approve_resume_pause_and_abort_between_deployments(fleet: Fleet) -> None:
    """A wave waits for its approval; a pause and an abort let what is under way end, and begin nothing more.

    Without its image the rollout breaks, is resumed only once that is back, and goes on where it was, approved.
    A device whose lock somebody else holds is passed over meanwhile, and named.
    """
    again, before = fleet.artifact(3), fleet.flashes()
    planned = fleet.plan(again, Policy(waves="1, 2", soak_seconds=0, approval=True))
    assert planned.apply().standing is Standing.APPROVAL
    assert fleet.flashes()["sim-01"] == before["sim-01"]
    with pytest.raises(ConsentError, match="is not the rollout"):
        rollout.apply(
            fleet.settings, fleet.plan(again, POLICY).facts, planned.rollout, planned.plan, consent="plan-0123456789ab"
        )
    _break(planned, again)
    with flash_lock(fleet.paths, fleet.devices[2], fleet.settings.timings):
        assert held(fleet.settings, "rollout resume")["standing"] == "running"
        planned.until(lambda now: now.counts().get("running") == 1, "the second wave is under way")
        assert held(fleet.settings, "rollout pause")["standing"] == "paused"
        seen = planned.until(lambda now: now.counts().get("succeeded") == 2, "what was under way has ended")
    assert seen.state(fleet.devices[2]).reason == "locked: another operation holds it"
    added = some_devices(5, lambda: 1)[4]
    Inventory(fleet.paths).add(added)
    try:
        with fleet.conductor() as conductor, pytest.raises(ConsentError, match=r"inventory has changed.*sim-04 is new"):
            rollout.resume(fleet.settings, conductor, planned.now())
    finally:
        Inventory(fleet.paths).remove(added.name)
    assert held(fleet.settings, "rollout abort", "--reason", "enough")["standing"] == "aborted"
    shown = held(fleet.settings, "rollout status", planned.rollout.id, codes=(1,))
    assert shown["counts"] == {"succeeded": 2, "pending": 1, "not_reached": 1}
    assert "enough" in shown["reason"]
    assert {name: count - before[name] for name, count in fleet.flashes().items()} == {
        "sim-00": 1,
        "sim-01": 1,
        "sim-02": 0,
        LAST: 0,
    }
    with fleet.conductor() as conductor, pytest.raises(UsageError, match="cannot be paused"):
        rollout.pause(conductor, planned.now())


def _break(planned: Planned, artifact: Artifact) -> None:
    """Approve while the image is away, so that the next turn fails for good; then put the image back."""
    kept = artifact.path.read_bytes()
    artifact.path.unlink()
    asked = planned.now().asked
    assert asked is not None
    with planned.fleet.conductor() as conductor:
        conductor.answer(planned.now().execution.id, asked.reference, {"approved": True})
    broken = planned.until(lambda now: now.standing is Standing.BROKEN, "broken")
    assert "its image cannot be read" in broken.reason
    with planned.fleet.conductor() as conductor, pytest.raises(ArtifactError, match="its image cannot be read"):
        rollout.resume(planned.fleet.settings, conductor, broken)
    artifact.path.write_bytes(kept)


@pytest.mark.long
def test_a_rollout_that_ended_long_ago_is_told_with_what_the_devices_run_now(fleet: Fleet) -> None:
    """Asked what began since, it is not begun again; whoever runs something else by now is named."""
    two, one = Selection(("sim-00", "sim-01")), Selection(("sim-00",))
    planned = fleet.plan(fleet.artifact(5), replace(POLICY, waves="100%"), two)
    assert planned.apply().standing is Standing.COMPLETED

    def told() -> tuple[str, ...]:
        done = rollout.apply(
            fleet.settings, planned.facts, planned.rollout, planned.plan, consent=planned.plan.id, since=LONG_AGO
        )
        assert done is not None
        assert done.standing is Standing.COMPLETED
        return tuple(device.name for device in done.strayed)

    assert told() == ()
    assert fleet.plan(fleet.artifact(6), POLICY, one).apply().standing is Standing.COMPLETED
    before = fleet.flashes()
    assert told() == ("sim-00",)
    assert fleet.flashes() == before
