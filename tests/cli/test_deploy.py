"""The command `deploy`, run as a user would run it, where no Conductor answers; `tests/test_line.py` has it deliver."""

from __future__ import annotations

import json

import pytest

from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.firmware import SAMPLE_PROJECT, Ledger, commit_change, ensure_sample_repository
from tests.cli.test_app import k1nb
from tests.conftest import FreePort

MAC = "AA:BB:CC:DD:EE:FF"


@pytest.fixture
def commit(settings: Settings, free_port: FreePort) -> str:
    """Return a commit of the sample firmware, beside a device of the inventory that does not answer."""
    Inventory(settings.paths).add(Device("desk", MAC, "127.0.0.1", free_port(), free_port()))
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
    ],
)
def test_what_is_wrong_is_refused(settings: Settings, commit: str, changes: dict[str, str], said: str) -> None:
    """Wrong words give one error with its hint, and change nothing."""
    given = {"device": "desk", "commit": commit, "repo": SAMPLE_PROJECT, "branch": "main", **changes}
    options = [word for name in ("repo", "branch") for word in (f"--{name}", given[name])]
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
