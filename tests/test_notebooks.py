"""The shipped notebooks: their form, and each of them run all three ways on a live stack."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import papermill
import pytest

from k1nb.checks import Status, Verdict
from k1nb.conductor import Conductor, load
from k1nb.config import Settings, environment, variables
from k1nb.firmware import SAMPLE_PROJECT, Commit, commit_change, ensure_sample_repository
from k1nb.paths import share
from k1nb.records import Archive, Record, import_notebook, run_notebook, shipped
from k1nb.records.lint import lint
from tests.conductor.hand import forget
from tests.conftest import BENCH

ENVIRONMENT = "esp32-s3-devkitc-1"
NOTEBOOKS = sorted(shipped())
Way = Callable[[Settings, str, dict[str, str], Path], Record]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_shipped_notebook_is_clean(name: str) -> None:
    """Every shipped notebook keeps the form: title, typed parameters, short cells, one conclusion, no outputs."""
    assert lint(shipped()[name]) == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_shipped_notebook_has_a_runbook(name: str) -> None:
    """Every shipped notebook has a runbook of its name, and names it in its title."""
    title = nbformat.read(shipped()[name], as_version=4).cells[0].source
    assert f"runbooks/{name}.md" in title
    assert (share("runbooks") / f"{name}.md").is_file()


def _by_k1nb(settings: Settings, name: str, parameters: dict[str, str], folder: Path) -> Record:  # noqa: ARG001 - one signature for all ways
    return run_notebook(settings, name, parameters)


def _by_papermill(settings: Settings, name: str, parameters: dict[str, str], folder: Path) -> Record:
    """Run it as plain papermill does, then import what came out."""
    out = folder / "out.ipynb"
    papermill.execute_notebook(str(shipped()[name]), str(out), parameters=parameters, progress_bar=False)
    return import_notebook(settings, out)


def _by_hand(settings: Settings, name: str, parameters: dict[str, str], folder: Path) -> Record:
    """Run it as Jupyter does for somebody who edits the parameters cell, save it, then import it."""
    notebook = nbformat.read(shipped()[name], as_version=4)
    declaring = next(cell for cell in notebook.cells if cell.metadata.get("tags") == ["parameters"])
    declaring.source += "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
    client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300, allow_errors=True)
    client.execute()
    nbformat.write(notebook, folder / "out.ipynb")
    return import_notebook(settings, folder / "out.ipynb")


WAYS = {"k1nb": _by_k1nb, "papermill": _by_papermill, "hand": _by_hand}


@pytest.fixture
def live(line: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return the settings of the session's stack, with an environment in which any kernel finds it."""
    for name, value in environment(line, **variables(line)).items():
        monkeypatch.setenv(name, value)
    return line


@pytest.fixture(scope="session")
def commit(line: Settings) -> Commit:
    """Return a new commit of the sample firmware."""
    return commit_change(ensure_sample_repository(line.paths))


def _deployment(commit: Commit, **more: str) -> dict[str, str]:
    return {
        "repo": SAMPLE_PROJECT,
        "commit_sha": commit.sha,
        "environment": ENVIRONMENT,
        "device": BENCH,
        **more,
    }


def _figures(record: Record) -> int:
    assert record.executed is not None
    cells = nbformat.read(record.executed, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    assert not [o for o in outputs if o.output_type == "error" and o.ename != "VerdictNotPassed"]
    return sum("image/svg+xml" in output.get("data", {}) for output in outputs)


def _statuses(record: Record, *names: str) -> dict[str, Status]:
    return {check.name: check.status for check in record.checks if check.name.startswith(names)}


def test_daily_health_says_the_same_all_three_ways(live: Settings, tmp_path: Path) -> None:
    """Daily health of a stack that works passes, with the same checks and the figure of the day, however it is run."""
    found = {}
    for way, execute in WAYS.items():
        folder = tmp_path / way
        folder.mkdir()
        found[way] = execute(live, "daily_health", {"device": BENCH}, folder)
    for record in found.values():
        assert record.verdict.passes(), [c for c in record.checks if c.status in (Status.FAIL, Status.UNKNOWN)]
        assert _figures(record) == 1
        assert set(_statuses(record, "service").values()) <= {Status.OK}
        assert _statuses(record, f"device {BENCH}: answers") == {f"device {BENCH}: answers": Status.OK}
        assert _statuses(record, "backup") == {"backup: newest": Status.NOT_CONFIGURED}
    names = {way: sorted(c.name for c in record.checks) for way, record in found.items()}
    assert names["k1nb"] == names["papermill"] == names["hand"]
    assert {r.id for r in Archive(live.paths).list()} >= {r.id for r in found.values()}


def test_daily_health_fails_where_a_device_is_silent(live: Settings, free_port: Callable[[], int]) -> None:
    """A listed device that does not answer makes the verdict FAIL and is named with the next step."""
    from k1nb.device import Device, Inventory

    silent = Device("silent", "02:4B:31:00:00:7F", "127.0.0.1", free_port(), free_port())
    Inventory(live.paths).add(silent)
    try:
        record = run_notebook(live, "daily_health", {"device": "silent"})
    finally:
        Inventory(live.paths).remove("silent")
    assert record.verdict is Verdict.FAIL
    (failed,) = [c for c in record.checks if c.status is Status.FAIL]
    assert failed.name == "device silent: answers"
    assert "k1nb device info silent" in str(failed.hint)
    assert _figures(record) == 1


def test_daily_health_connects_to_no_unlisted_device(
    live: Settings, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    """A K1_DEVICE_IP that the inventory does not have is a WARN that names it; nothing connects to it."""
    import socket

    with socket.create_server(("127.0.0.1", free_port())) as listener:
        listener.settimeout(0.2)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("K1_DEVICE_IP", address)
        record = run_notebook(live.model_copy(update={"k1_device_ip": address}), "daily_health", {"device": BENCH})
        with pytest.raises(TimeoutError):
            listener.accept()
    name = f"device {address}: in the inventory"
    assert _statuses(record, name) == {name: Status.WARN}


@pytest.mark.parametrize("way", WAYS)
def test_a_deployment_is_only_planned_without_consent(live: Settings, commit: Commit, tmp_path: Path, way: str) -> None:
    """Without consent the deployment's notebook changes nothing and concludes WARN with the plan's id, however run."""
    record = WAYS[way](live, "firmware_deploy", _deployment(commit), tmp_path)
    assert record.verdict is Verdict.WARN, record.reason
    (check,) = record.checks
    assert "--apply plan-" in str(check.hint)
    assert record.manifest.executions == ()
    assert _figures(record) == 0


def test_a_deployment_is_applied_with_consent_and_then_done(live: Settings, commit: Commit) -> None:
    """With the plan's id the commit is delivered and proven; run again, nothing is planned and the verdict is OK."""
    planned = run_notebook(live, "firmware_deploy", _deployment(commit))
    (plan,) = set(re.findall("plan-[0-9a-f]{12}", str(planned.checks[0].hint)))
    applied = run_notebook(live, "firmware_deploy", _deployment(commit), apply=plan)
    assert applied.verdict is Verdict.OK, (applied.reason, [c.evidence for c in applied.checks])
    assert len(applied.manifest.executions) == len(applied.manifest.artifacts) == 1
    assert _figures(applied) == 1
    again = run_notebook(live, "firmware_deploy", _deployment(commit))
    assert again.verdict is Verdict.OK
    assert again.checks[0].evidence.startswith("no_op, already so, grade ")
    assert again.manifest.executions == ()


def test_consent_to_another_plan_is_refused(live: Settings) -> None:
    """Consent to a plan that is not this one starts nothing; the run is INTERRUPTED by the refusal."""
    fresh = commit_change(ensure_sample_repository(live.paths))
    record = run_notebook(live, "firmware_deploy", _deployment(fresh), apply="plan-0123456789ab")
    assert record.verdict is Verdict.INTERRUPTED
    assert "ConsentError" in record.reason
    assert record.manifest.executions == ()


def test_a_commit_that_is_not_there_is_refused(live: Settings) -> None:
    """A commit that the repository does not have ends the run before anything is planned."""
    unknown: dict[str, Any] = _deployment(Commit("f" * 40, 0, ""))
    record = run_notebook(live, "firmware_deploy", unknown)
    assert record.verdict is Verdict.INTERRUPTED
    assert "CommitError" in record.reason


def _definitions(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write a workflow into a folder of its own and return the parameters that name the folder."""
    workflow = {**load().workflows["k1nb-ready", 1], "name": f"k1nb-{folder.parent.name.replace('_', '-')}", **changes}
    (folder / "workflows").mkdir(parents=True, exist_ok=True)
    (folder / "workflows" / "mine.json").write_text(json.dumps(workflow), encoding="utf-8")
    return {"folder": str(folder)}


@pytest.mark.parametrize("way", WAYS)
def test_the_shipped_definitions_are_in_order_all_three_ways(live: Settings, tmp_path: Path, way: str) -> None:
    """On a stack that is up the definitions break no rule and are those of the files, however the notebook is run."""
    record = WAYS[way](live, "definitions", {}, tmp_path)
    assert record.verdict is Verdict.OK, [check.evidence for check in record.checks]
    assert set(_statuses(record, "definitions:")) == {
        f"definitions: {what}" for what in ("lint", "on the server", "versions")
    }
    assert _figures(record) == 0


def test_definitions_are_planned_applied_and_then_done(live: Settings, tmp_path: Path) -> None:
    """New definitions are WARN with the plan's id; applied by it they are there, and a second run plans nothing."""
    given = _definitions(tmp_path / "data")
    try:
        planned = run_notebook(live, "definitions", given)
        assert planned.verdict is Verdict.WARN, planned.reason
        (plan,) = {found for check in planned.checks for found in re.findall("plan-[0-9a-f]{12}", str(check.hint))}
        applied = run_notebook(live, "definitions", given, apply=plan)
        assert applied.verdict is Verdict.OK, applied.reason
        assert "1 of them by this" in {c.name: c.evidence for c in applied.checks}["definitions: on the server"]
        assert run_notebook(live, "definitions", given).verdict is Verdict.OK
    finally:
        forget(live.conductor_server_url, load(Path(given["folder"])))


@pytest.mark.parametrize(
    ("changes", "consent", "reason"),
    [
        ({"name": "k1nb-consent"}, "plan-0123456789ab", "ConsentError"),
        ({"name": "k1nb-rule", "timeoutPolicy": "ALERT_ONLY"}, "", "definitions: lint"),
    ],
)
def test_definitions_are_not_applied_without_reason(
    live: Settings, tmp_path: Path, changes: dict[str, Any], consent: str, reason: str
) -> None:
    """Consent to another plan is refused, and a broken rule fails the run; the server is told of neither."""
    record = run_notebook(live, "definitions", _definitions(tmp_path, **changes), apply=consent)
    failed = {check.name for check in record.checks if check.status is Status.FAIL}
    assert not record.verdict.passes()
    assert reason in record.reason or reason in failed
    with Conductor.from_settings(live) as server:
        assert changes["name"] not in {workflow["name"] for workflow in server.workflow_definitions()}


@pytest.mark.parametrize(
    ("name", "parameters", "figures"),
    [("prerequisites", {}, 0), ("workers", {"watch": "0.2"}, 1), ("deploy_stack", {}, 0)],
)
def test_the_stack_s_notebooks_say_the_same_all_three_ways(
    live: Settings, tmp_path: Path, name: str, parameters: dict[str, str], figures: int
) -> None:
    """On a stack that works these notebooks pass, with the same checks, however they are run."""
    found = {}
    for way, execute in WAYS.items():
        folder = tmp_path / way
        folder.mkdir()
        given: dict[str, Any] = {key: value if way == "k1nb" else float(value) for key, value in parameters.items()}
        found[way] = execute(live, name, given, folder)
    for record in found.values():
        assert record.verdict.passes(), [c for c in record.checks if c.status in (Status.FAIL, Status.UNKNOWN)]
        assert _figures(record) == figures
        assert record.manifest.executions == ()
    names = {way: sorted(c.name for c in record.checks) for way, record in found.items()}
    assert names["k1nb"] == names["papermill"] == names["hand"]


def test_the_stack_is_deployed_with_consent_and_then_as_wanted(live: Settings) -> None:
    """A service that was stopped is only planned without consent, started with it, and nothing is left to plan."""
    from k1nb import stack

    stack.down(live, ["simulator"])
    planned = run_notebook(live, "deploy_stack", {})
    assert planned.verdict is Verdict.WARN
    (plan,) = set(re.findall("plan-[0-9a-f]{12}", str(planned.checks[0].hint)))
    assert {service.name: service.state for service in stack.status(live)}["simulator"] == "stopped"
    applied = run_notebook(live, "deploy_stack", {}, apply=plan)
    assert applied.verdict is Verdict.OK, (applied.reason, [c.evidence for c in applied.checks])
    assert _statuses(applied, "stack") == {"stack: as wanted": Status.OK, "stack: ready": Status.OK}


def test_workers_that_were_stopped_fail(live: Settings) -> None:
    """Without a worker host the notebook `workers` fails, and names the service with what starts it."""
    from k1nb import stack

    stack.down(live, ["workers"])
    try:
        record = run_notebook(live, "workers", {"watch": "0", "polled_within": "0.01"})
    finally:
        stack.up(live, ["workers"])
    assert record.verdict is Verdict.FAIL
    assert _statuses(record, "service workers", "workers: task") == {
        "service workers: runs": Status.FAIL,
        "workers: task types served": Status.FAIL,
    }
