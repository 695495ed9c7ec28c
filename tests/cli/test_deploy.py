"""The command `deploy`, run as a user would run it, where no Conductor answers; `tests/test_line.py` has it deliver."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from k1nb import delivery
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.firmware import SAMPLE_PROJECT, Grade, Ledger, commit_change, ensure_sample_repository
from tests.cli.test_app import k1nb
from tests.conftest import FreePort
from tests.delivery.test_preflight import ARTIFACT, READINGS, SAME, deployment

MAC = "AA:BB:CC:DD:EE:FF"


@pytest.fixture
def commit(settings: Settings, free_port: FreePort) -> str:
    """Return a commit of the sample firmware, beside two devices that do not answer, one of them of production."""
    Inventory(settings.paths).add(Device("desk", MAC, "127.0.0.1", free_port(), free_port()))
    wall = Device("wall", "02:4B:31:00:00:70", "127.0.0.1", free_port(), free_port(), role="production")
    Inventory(settings.paths).add(wall)
    return commit_change(ensure_sample_repository(settings.paths)).sha


def test_without_consent_the_plan_is_shown(settings: Settings, commit: str) -> None:
    """The plan names device and commit, says what is not known, and how it is applied with the very same words."""
    words = ("deploy", "desk", commit[:12], "--repo", SAMPLE_PROJECT)
    done = k1nb(settings, *words)
    assert done.returncode == 0, done.stderr
    for said in (MAC, f"{SAMPLE_PROJECT}@{commit[:12]}", "it does not answer now"):
        assert said in done.stdout
    told = json.loads(k1nb(settings, *words, "--json").stdout)
    assert (told["commit"], told["runs"], told["result"]) == (commit, None, None)
    assert f"nothing was changed; apply it with: k1nb {' '.join(words)} --apply {told['plan']['id']}" in done.stderr
    assert Ledger(settings.paths).history(MAC) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repo": "elsewhere"}, "no repository 'elsewhere'"),
        ({"commit": "0123abc"}, "0123abc"),
        ({"commit": "main"}, "'main' is no commit"),
        ({"device": "nobody"}, "nobody"),
        ({"branch": "none"}, "none"),
        ({"repo": "elsewhere"}, f"hint: --repo {SAMPLE_PROJECT} (in notebooks repo={SAMPLE_PROJECT})"),
        ({"environment": "other"}, "hint: it has esp32-s3-devkitc-1"),
        ({"environment": "a\x1b[31mb"}, "is no name of a PlatformIO environment"),
        ({"device": "wall"}, "k1nb rollout plan ARTIFACT --device wall"),
    ],
)
def test_what_is_wrong_is_refused(settings: Settings, commit: str, changes: dict[str, str], said: str) -> None:
    """Wrong words give one error with its hint, and change nothing."""
    given = {"device": "desk", "commit": commit, "repo": SAMPLE_PROJECT, "branch": "main", **changes}
    given = {"environment": "esp32-s3-devkitc-1", **given}
    options = [word for name in ("repo", "branch", "environment") for word in (f"--{name}", given[name])]
    done = k1nb(settings, "deploy", given["device"], given["commit"], *options)
    assert done.returncode in (1, 2), done.stderr
    assert said in done.stderr
    assert done.stderr.count("error:") == done.stderr.count("hint:") == 1
    assert Ledger(settings.paths).history(MAC) == []


def test_without_a_server_nothing_is_begun(settings: Settings, commit: str) -> None:
    """Where Conductor is down, applying ends 1 and says how to start it."""
    words = ("deploy", "desk", commit, "--repo", SAMPLE_PROJECT)
    plan = json.loads(k1nb(settings, *words, "--json").stdout)["plan"]["id"]
    done = k1nb(settings, *words, "--apply", plan)
    assert done.returncode == 1
    assert "k1nb up" in done.stderr
    assert Ledger(settings.paths).history(MAC) == []


def _observe(settings: Settings, commit: str) -> delivery.DeliveryFacts:
    return delivery.observe(
        settings,
        repo=SAMPLE_PROJECT,
        branch="main",
        commit_sha=commit,
        environment="esp32-s3-devkitc-1",
        device="desk",
    )


def test_whether_a_device_answers_now_is_no_part_of_the_plan(settings: Settings, commit: str) -> None:
    """A plan that was made while the device restarted holds once it is back."""
    silent = _observe(settings, commit)
    plan = delivery.plan(silent)
    assert plan.remarks == ("it does not answer now",)
    again = delivery.plan(replace(silent, readings=replace(READINGS, mac=MAC)))
    assert (again.id, again.remarks) == (plan.id, ())


def test_a_device_that_runs_it_and_is_not_well_is_told_so(settings: Settings, commit: str) -> None:
    """Where nothing is to be done the plan says what is wrong with the device now, as the notebook's check does."""
    facts = _observe(settings, commit)
    artifact = replace(ARTIFACT, version=commit)
    runs = replace(facts, artifact=artifact, current=deployment(Grade.HEALTHY), readings=replace(SAME, fps=4.0))
    plan = delivery.plan(runs)
    assert (plan.steps, plan.remarks) == ((), ("it is not well now: 4.0 FPS, at least 30 wanted",))


def test_the_help_says_where_a_record_comes_from(settings: Settings) -> None:
    """Neither command leaves one, and each names the notebook that does."""
    for command, notebook in (("deploy", "firmware_deploy"), ("rollback", "firmware_rollback")):
        told = " ".join(k1nb(settings, command, "--help").stdout.split())
        assert f"leaves no record: `k1nb run {notebook}`" in told
