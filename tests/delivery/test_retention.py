"""Which artifacts are kept, and that nothing else is removed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Conductor, Schedule
from k1nb.config import Settings
from k1nb.delivery import in_use, kept, on_devices, plan_retention, prune_artifacts, retain_artifacts
from k1nb.errors import ConductorUnreachable, ConsentError
from k1nb.firmware import Artifact, ArtifactStore, Grade, Ledger
from tests.cli.test_rollback import stored
from tests.conductor.builders import a_workflow, unique
from tests.conftest import FreePort
from tests.device import _images
from tests.workers.scratch import settings_for

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MAC = "02:4B:31:00:00:09"


def artifact(number: int) -> Artifact:
    """Make an artifact that was stored `number` hours ago."""
    return Artifact(
        id=f"{number:064x}",
        path=Path("image.bin"),
        md5="",
        size=1,
        project_name=None,
        version="c" * 40,
        environment="e",
        repo="r",
        branch="b",
        stamp=None,
        flash_percent=None,
        ram_percent=None,
        warnings=None,
        stored_at=NOW - timedelta(hours=number),
    )


@given(st.permutations(range(14)), st.integers(1, 14), st.sets(st.integers(0, 13)))
def test_the_newest_and_the_wanted_are_kept(order: list[int], keep: int, wanted: set[int]) -> None:
    """Whatever the order, what goes is neither among the newest nor wanted, and all else goes."""
    found = kept(map(artifact, order), keep, {artifact(number).id: "wanted" for number in wanted})
    gone = {int(each.artifact.id, 16) for each in found if not each.why}
    assert gone == set(range(keep, 14)) - wanted
    assert set(plan_retention(found, keep).preconditions["artifacts"]) == {artifact(number).id for number in gone}


@pytest.fixture
def full(tmp_path: Path, conductor_url: str) -> Settings:
    """Settings of a home with six artifacts of which two are kept, before the session's server."""
    settings = settings_for(conductor_url, tmp_path, artifact_keep=2)
    for number in range(6):
        stored(settings, f"k1-{number:012x}", _images.sample(f"k1-{number:012x}", seed=number))
    return settings


def _ids(settings: Settings) -> list[str]:
    return [each.id for each in ArtifactStore(settings.paths).list()]


def test_what_a_device_can_go_back_to_stays(full: Settings) -> None:
    """What it runs, what it was last healthy with, and what it can go back to from there outlive newer artifacts."""
    ids = _ids(full)
    ledger = Ledger(full.paths)
    for number, (place, grade) in enumerate([(5, Grade.HEALTHY), (4, Grade.IDENTIFIED), (3, Grade.REBOOTED)]):
        row = ledger.begin(MAC, ids[place], f"execution {number}", "test")
        ledger.raise_grade(row.id, grade, "seen", accepted_at=NOW + timedelta(minutes=number))
    assert on_devices(full) == {
        ids[5]: f"{MAC} can go back to it",
        ids[4]: f"{MAC} was last healthy with it",
        ids[3]: f"{MAC} runs it",
    }
    assert retain_artifacts(full) == [ids[2]]
    assert _ids(full) == [ids[0], ids[1], *ids[3:]]
    assert list(ArtifactStore(full.paths).damaged()) == []
    assert retain_artifacts(full) == []


def test_what_an_execution_works_with_stays(full: Settings) -> None:
    """An artifact that waits in a running execution, for an approval or a device, is not taken from it."""
    ids, name = _ids(full), unique("waiting-")
    wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT", "inputParameters": {"duration": "1 hour"}}
    with Conductor.from_settings(full) as server:
        server.put_workflow_definition({**a_workflow(), "name": name, "tasks": [wait]})
        execution = server.start(name, {"release": {"artifact_id": ids[5]}})
        try:
            assert in_use([server.execution(execution)]) == {ids[5]: f"execution {execution} works with it"}
            plan, removed = prune_artifacts(full, keep=1)
            assert removed == []
            assert sorted(plan.preconditions["artifacts"]) == sorted(ids[1:5])
            with pytest.raises(ConsentError):
                prune_artifacts(full, keep=1, consent="plan-000000000000")
            assert _ids(full) == ids
            assert sorted(prune_artifacts(full, keep=1, consent=plan.id)[1]) == sorted(ids[1:5])
            assert _ids(full) == [ids[0], ids[5]]
        finally:
            server.terminate(execution, "the test is over")


def test_what_was_paused_or_is_scheduled_or_stored_again_stays(full: Settings) -> None:
    """A paused execution, a schedule and a build that stores old bytes anew each keep their artifact."""
    ids, name = _ids(full), unique("pausing-")
    wait = {"name": "wait", "taskReferenceName": "wait", "type": "WAIT", "inputParameters": {"duration": "1 hour"}}
    with Conductor.from_settings(full) as server:
        server.put_workflow_definition({**a_workflow(), "name": name, "tasks": [wait]})
        execution = server.start(name, {"artifact_id": ids[5]})
        server.pause(execution)
        server.put_schedule(Schedule(name, "0 0 3 1 1 ?", name, {"plan": {"artifact": ids[4]}}, paused=True))
        try:
            assert retain_artifacts(full, ids[3]) == [ids[2]]
        finally:
            server.remove_schedule(name)
            server.terminate(execution, "the test is over")
    stored(full, f"k1-{0:012x}", _images.sample(f"k1-{0:012x}", seed=0))
    assert _ids(full)[0] == ids[5]


def test_without_the_server_nothing_is_removed(full: Settings, free_port: FreePort) -> None:
    """What executions work with is not known then, so all stays."""
    alone = full.model_copy(update={"conductor_server_url": f"http://127.0.0.1:{free_port()}/api"})
    with pytest.raises(ConductorUnreachable):
        retain_artifacts(alone)
    assert len(_ids(full)) == 6
