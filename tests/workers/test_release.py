"""The task functions of a release, each by itself."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

import pytest

from k1nb.conductor import PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.delivery import webapp
from k1nb.device import Device, Inventory
from k1nb.errors import (
    CommitError,
    ConductorUnreachable,
    ConsentError,
    RetryableFailure,
    TerminalFailure,
    UnknownName,
    UsageError,
)
from k1nb.firmware import SAMPLE_PROJECT, commit_change, ensure_sample_repository
from k1nb.workers import TaskContext, release
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics
from k1nb.workers.build import CommitIn, validate_commit
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_webapp

BENCH = Device("bench", "02:4B:31:00:00:02", "127.0.0.1", 8091, 8092, kind="simulator")
WALL = Device("wall", "02:4B:31:00:00:70", "127.0.0.1", 8093, 8094, role="production", kind="simulator")

WRAPPED = (
    "Sub workflow device-deployment.1/c51e631f-c889-3128-9580-10415b1b05ab failure reason: Task "
    "31670006-fb16-4e67-b398-7f9d31d7b104 failed with status: FAILED and reason: 'no answer'"
)


def done(settings: Settings, function: Any, words: Any, task_id: str = "t") -> Any:
    """Run a task function as a task of an execution."""

    async def run() -> Any:
        polled = PolledTask(task_id, function.name, "e", "step", {}, 0, 1, 60.0, "w")
        async with TaskClient.from_settings(settings) as client:
            context = TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["x"]))
            work: Coroutine[Any, Any, Any] = function(words, context)
            return await work

    return asyncio.run(run())


@pytest.fixture
def home(settings: Settings) -> Settings:
    """A home with a test device and a production device."""
    for device in (BENCH, WALL):
        Inventory(settings.paths).add(device)
    return settings


def check(settings: Settings, **words: Any) -> release.ReleaseOut:
    """Check a release."""
    given = {"release_version": "1.0.0", "test_device": "bench", "prod_device": "wall", **words}
    found: release.ReleaseOut = done(settings, release.check_release, release.ReleaseIn(**given))
    return found


def test_devices_are_found_by_any_name_and_given_by_mac(home: Settings) -> None:
    """Name, MAC and address mean the same device; what goes on is its MAC."""
    for test, prod in ((BENCH.name, WALL.name), (BENCH.mac, WALL.mac.lower())):
        found = check(home, test_device=test, prod_device=prod)
        assert (found.test_device, found.prod_device, found.prod_name) == (BENCH.mac, WALL.mac, "wall")
    found = check(home, test_device=None, test_device_ip="127.0.0.1:8091", prod_device_ip="127.0.0.1:8093")
    assert found.test_device == BENCH.mac


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"test_device": None}, UsageError),
        ({"prod_device": None}, UsageError),
        ({"prod_device": ""}, UsageError),
        ({"prod_device": "nobody"}, UnknownName),
        ({"prod_device": "bench", "prod_device_ip": "127.0.0.1:8093"}, UsageError),
        ({"test_device": "wall"}, ConsentError),
        ({"release_version": "../x"}, UsageError),
        ({"release_version": ""}, UsageError),
    ],
)
def test_what_makes_no_release_is_refused(home: Settings, words: dict[str, Any], error: type[Exception]) -> None:
    """Devices that are not given, unknown, two at once, or a production device for tests; a version that is none."""
    with pytest.raises(error):
        check(home, **words)


@pytest.mark.parametrize("other", ["bench", BENCH.mac, "127.0.0.1:8091"])
def test_one_device_is_not_both_under_two_names(home: Settings, other: str) -> None:
    """Test and production device differ by MAC, whatever they are called, unless somebody names the one."""
    with pytest.raises(ConsentError, match="the same device") as caught:
        check(home, prod_device=other)
    assert "allow_same_device=bench" in (caught.value.hint or "")
    for mere in (True, "", False):
        with pytest.raises(ConsentError):
            check(home, prod_device=other, allow_same_device=mere)
    with pytest.raises(ConsentError):
        check(home, prod_device=other, allow_same_device="wall")
    assert check(home, prod_device=other, allow_same_device="bench").prod_device == BENCH.mac


def final(settings: Settings, **words: Any) -> release.StatusOut:
    """Judge a release."""
    good = {"webapp_deployed": True, "firmware_status": "success", "deployment_complete": True}
    judged = {"release_version": "1.0.0", **good, **words}
    found: release.StatusOut = done(settings, release.final_status, release.FinalIn(**judged))
    return found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"webapp_deployed": None, "webapp_reason": "no room"}, "not put into production: no room"),
        (
            {"firmware_status": "failed", "firmware_outcome": None, "firmware_reason": WRAPPED},
            "not deployed: no answer",
        ),
        ({"firmware_status": None}, "did not conclude"),
        ({"firmware_status": "failed", "firmware_outcome": "rolled_back"}, "not deployed: rolled_back"),
        ({"deployment_complete": False}, "gave no report"),
        (
            {"deployment_complete": None, "report": [{"name": "page", "status": "FAIL", "evidence": "404"}]},
            "page: 404",
        ),
    ],
)
def test_one_part_that_failed_fails_the_release(settings: Settings, words: dict[str, Any], said: str) -> None:
    """Nothing that is missing, null or failed is a success, and the reason names the part."""
    found = final(settings, **words)
    assert found.status == "failed"
    assert said in found.reasons[0]


def test_releases_are_listed_once(settings: Settings) -> None:
    """Each end of a release is a line under the artifacts, also where its task is delivered again."""
    assert final(settings).status == "success"
    final(settings)
    words = release.CancelledIn(reason="manual approval rejected", release_version="1.0.1", by="b", why="no")
    ended = done(settings, release.deployment_cancelled, words, "t2")
    assert (ended.status, ended.reasons) == ("cancelled", ["manual approval rejected, by b: no"])
    lines = [json.loads(line) for line in (settings.paths.artifacts / "releases.jsonl").read_text().splitlines()]
    assert [(line["release_version"], line["status"]) for line in lines] == [
        ("1.0.0", "success"),
        ("1.0.1", "cancelled"),
    ]


def test_no_page_gets_to_production_by_the_other_task(home: Settings) -> None:
    """The task for staging deploys to staging; the one for production asks the server who allowed it."""
    words = {"webapp_artifact": a_webapp(home).id, "device": "bench", "release_version": "1.0.0"}
    with pytest.raises(UsageError, match="deploys to staging"):
        done(home, release.deploy_webapp_staging, release.WebDeployIn(**words, environment="production"))
    with pytest.raises(ConductorUnreachable):
        done(home, release.deploy_webapp_prod, release.WebDeployIn(**words, environment="production"))
    assert webapp.releases(webapp.target_of(home, "production")) == []


def test_a_failed_trial_keeps_its_report(home: Settings, free_port: FreePort) -> None:
    """The task fails, may be tried again, and its output has every question with its answer."""
    silent = replace(BENCH, name="silent", mac="02:4B:31:00:00:72", http_port=free_port(), ota_port=free_port())
    Inventory(home.paths).add(silent)
    words = release.TrialIn(environment="staging", release="1.0.0-x", device="silent")
    with pytest.raises(RetryableFailure, match="does not answer") as caught:
        done(home.model_copy(update={"timings_scale": 0.1}), release.run_integration_tests, words)
    assert caught.value.output["passed"] is False
    assert len(caught.value.output["report"]) == 5


def test_without_npm_no_try_is_repeated(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without npm fails the task for good, and says what is missing."""
    commit = commit_change(ensure_sample_repository(settings.paths))
    words = release.WebBuildIn(repo=SAMPLE_PROJECT, branch="main", commit_sha=commit.sha)
    git = settings.home / "bin"
    git.mkdir()
    (git / "git").symlink_to(_program("git"))
    monkeypatch.setenv("PATH", str(git))
    with pytest.raises(TerminalFailure, match="npm is not installed"):
        done(settings, release.build_webapp, words)


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found
    return found


def test_a_commit_passes_its_repository_s_own_check(settings: Settings) -> None:
    """Where a check is set for the repository, a commit that it refuses is none, and no checkout is left behind."""
    commit = commit_change(ensure_sample_repository(settings.paths))
    words = CommitIn(repo=SAMPLE_PROJECT, branch="main", commit_sha=commit.sha)
    good = settings.model_copy(update={"commit_checks": {SAMPLE_PROJECT: ["test", "-f", "firmware/platformio.ini"]}})
    assert done(good, validate_commit, words).valid is True
    bad = settings.model_copy(update={"commit_checks": {SAMPLE_PROJECT: ["test", "-f", "nothing"], "other": ["true"]}})
    with pytest.raises(CommitError, match="does not pass test"):
        done(bad, validate_commit, words)
    assert list(settings.paths.builds.glob("*")) == []
