"""The commands `webapp`, on a folder of the test's own."""

from __future__ import annotations

from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.conftest import FreePort
from tests.delivery.webapp.builders import a_device
from tests.delivery.webapp.test_deploy import deploy
from tests.test_json import held


def test_one_goes_back_by_plan(settings: Settings, free_port: FreePort) -> None:
    """The list says what is served; a rollback shows its plan, and applied the release before is served."""
    assert held(settings, "webapp list", "staging") == []
    device = a_device(free_port)
    first, second = deploy(settings, device, "1.0.0", "a"), deploy(settings, device, "1.0.1", "b")
    assert [one["release"] for one in held(settings, "webapp list") if one["current"]] == [second.release]
    planned = held(settings, "webapp rollback", "production")
    assert planned["result"] is None
    done = held(settings, "webapp rollback", "production", "--apply", planned["plan"]["id"])
    assert (done["result"]["release"], done["result"]["changed"]) == (first.release, True)
    listed = k1nb(settings, "webapp", "list")
    assert "served" in listed.stdout
    refused = k1nb(settings, "webapp", "rollback", "production", "--apply", planned["plan"]["id"])
    assert (refused.returncode, "is not the plan" in refused.stderr) == (2, True)


def test_wrong_words_are_refused(settings: Settings) -> None:
    """An environment and a release that are none end 2 with a hint."""
    for words in (("list", "prod"), ("rollback", "production"), ("rollback", "production", "--to", "x")):
        done = k1nb(settings, "webapp", *words)
        assert done.returncode == 2
        assert "hint:" in done.stderr
