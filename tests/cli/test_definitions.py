"""The commands `definitions`, run as a user would run them, on the session's real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from k1nb.conductor import RULES, Conductor, load, observe_definitions
from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.conductor.builders import a_child, a_use, a_workflow, defined, unique
from tests.conductor.hand import forget
from tests.refusals import assert_refused


@pytest.fixture
def there(settings: Settings, conductor_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of a fresh home whose commands find the session's Conductor."""
    monkeypatch.setenv("CONDUCTOR_SERVER_URL", conductor_url)
    return settings


@pytest.fixture
def workflow(conductor_url: str) -> Iterator[dict[str, Any]]:
    """Return a workflow that starts a shipped one; delete it afterwards."""
    mine = a_workflow(
        a_child("k1nb-ready", inputParameters={"nonce": "${workflow.input.nonce}"}),
        name=unique("mine-"),
        inputParameters=["nonce"],
    )
    yield mine
    forget(conductor_url, defined(mine))


def _folder(folder: Path, *definitions: dict[str, Any]) -> str:
    for definition in definitions:
        file = folder / ("workflows" if "tasks" in definition else "tasks") / f"{definition['name']}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(definition))
    return str(folder)


def test_the_codes_are_listed(settings: Settings) -> None:
    """Every code stands in the list with what the server does, as text and as JSON; no folder is read."""
    listed = k1nb(settings, "definitions", "lint", "--codes")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()[1:]] == list(RULES)
    found = json.loads(k1nb(settings, "definitions", "lint", "--codes", "--json").stdout)
    assert {rule["code"]: rule["server"] for rule in found} == {c: r.answer.value for c, r in RULES.items()}


def test_findings_name_code_place_text_and_mend(settings: Settings, tmp_path: Path) -> None:
    """Lint of a folder ends 1 on findings, as text for people and as JSON for scripts."""
    folder = _folder(tmp_path, a_workflow(a_use("unheard_of"), name="mine", timeoutPolicy=None))
    done = k1nb(settings, "definitions", "lint", folder)
    assert done.returncode == 1
    assert "workflow mine v1: unheard_of: R8 task type unheard_of is not defined" in done.stdout
    assert "  mend: define it" in done.stdout
    found = json.loads(k1nb(settings, "definitions", "lint", folder, "--json").stdout)
    assert {finding["code"] for finding in found} >= {"R7", "R8"}
    assert {*found[0]} == {"code", "where", "text", "mend"}


def test_a_folder_may_lean_on_what_is_shipped(settings: Settings, tmp_path: Path, workflow: dict[str, Any]) -> None:
    """A workflow of one's own may start shipped ones, and need not define what every worker serves."""
    done = k1nb(settings, "definitions", "lint", _folder(tmp_path, workflow))
    assert (done.returncode, done.stdout) == (0, "")


def test_the_shipped_ones_do_not_differ(there: Settings) -> None:
    """On a server that `up` has brought to the files, diff ends 0 and apply does nothing."""
    done = k1nb(there, "definitions", "diff")
    assert done.returncode == 0, done.stdout
    assert f"{len(load().subjects())} as in the files" in done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith(("+", "~"))]
    applied = k1nb(there, "definitions", "apply")
    assert (applied.returncode, applied.stdout) == (0, "definitions on the server: nothing to do\n")


def test_a_definition_is_added_changed_and_exported(there: Settings, tmp_path: Path, workflow: dict[str, Any]) -> None:
    """New ones are applied as they are, changes by the plan's id; then nothing differs, and an export says the same."""
    folder = _folder(tmp_path / "mine", workflow)
    done = k1nb(there, "definitions", "apply", folder)
    assert (done.returncode, done.stderr) == (0, "1 applied\n")
    _folder(tmp_path / "mine", {**workflow, "timeoutSeconds": 3601})
    differs = k1nb(there, "definitions", "diff", folder)
    assert differs.returncode == 1
    assert f"~ workflow {workflow['name']} v1: changed\n    timeoutSeconds: 3600 → 3601\n" in differs.stdout
    planned = k1nb(there, "definitions", "apply", folder)
    assert planned.returncode == 0
    (plan,) = set(re.findall("plan-[0-9a-f]{12}", planned.stdout))
    assert planned.stderr == f"nothing was changed; apply it with: k1nb definitions apply {folder} --apply {plan}\n"
    refused = k1nb(there, "definitions", "apply", folder, "--apply", "plan-0123456789ab", "--json")
    assert_refused(refused, 2, "plan-0123456789ab", plan)
    applied = json.loads(k1nb(there, "definitions", "apply", folder, "--apply", plan, "--json").stdout)
    assert [item["status"] for item in applied["report"]] == ["applied"]
    exported = k1nb(there, "definitions", "export", str(tmp_path / "out"), workflow["name"], "--json")
    (file,) = json.loads(exported.stdout)
    assert file == {"file": str(tmp_path / "out" / "workflows" / f"{workflow['name']}.json"), "status": "written"}
    assert k1nb(there, "definitions", "diff", str(tmp_path / "out"), "--json").returncode == 0


def test_a_change_under_running_executions_wants_over_running(
    there: Settings, tmp_path: Path, conductor_url: str
) -> None:
    """The plan's id alone does not change what runs: a version is asked for, or --over-running."""
    workflow = a_workflow(a_use("ready_probe"), name=unique("runs-"))
    with Conductor(conductor_url, there.timings) as conductor:
        conductor.put_workflow_definition({**workflow, "tasks": [a_use(unique("nobody_"))]})
        execution = conductor.start(workflow["name"], {})
        folder = _folder(tmp_path, workflow)
        reachable = there.model_copy(update={"conductor_server_url": conductor_url})
        words = (
            "definitions",
            "apply",
            folder,
            "--json",
            "--apply",
            observe_definitions(reachable, load(tmp_path)).plan.id,
        )
        assert_refused(k1nb(there, *words), 2, "give it version 2", "--over-running")
        report = json.loads(k1nb(there, *words, "--over-running").stdout)["report"]
        conductor.terminate(execution, "the test is over")
    assert [item["action"] for item in report] == ["update in use"]


def test_what_lint_finds_is_not_applied(there: Settings, tmp_path: Path) -> None:
    """A workflow that breaks a rule is refused before the server is told of it."""
    folder = _folder(tmp_path, a_workflow(a_use("unheard_of"), name=unique("bad-")))
    assert_refused(k1nb(there, "definitions", "apply", folder, "--json"), 1, "R8", "unheard_of")


def test_a_silent_server_ends_1(settings: Settings, tmp_path: Path) -> None:
    """Where no server answers, that is said and nothing written."""
    assert_refused(k1nb(settings, "definitions", "diff"), 1, str(settings.conductor_port))
    assert_refused(k1nb(settings, "definitions", "export", str(tmp_path / "out")), 1, str(settings.conductor_port))
    assert not (tmp_path / "out").exists()
