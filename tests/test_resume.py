"""Resume: the same notebook goes on with the same parameters, and an effect happens once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from k1nb import stack
from k1nb.checks import Verdict
from k1nb.conductor import Conductor, observe_definitions
from k1nb.config import Settings
from k1nb.errors import ParameterError, RecordError, UnknownName, UsageError
from k1nb.firmware import commit_change, ensure_sample_repository
from k1nb.records import Archive, Record, resume_run, run_notebook
from k1nb.records._record import MANIFEST
from k1nb.records._resume import began, claimed
from k1nb.records._staging import Staging
from k1nb.workers import lint_folder
from tests.conductor.builders import a_child, a_workflow, defined, unique
from tests.conductor.hand import forget
from tests.conftest import BENCH
from tests.faults._resume import APPLIED, STARTED, VERIFIED, Intent, delivery_of, killed_and_resumed, wrong
from tests.records.conftest import check, write
from tests.records.samples import heap, sealed
from tests.test_line import flashes


@pytest.mark.long
def test_a_delivery_that_is_killed_and_resumed(line: Settings) -> None:
    """Killed once it has begun and once it is done, a delivery has one execution, one flash and the verdict OK.

    `python -m tests.faults --only resumed` kills it after each of its steps.
    """
    before = flashes(line)
    intent = delivery_of(line, commit_change(ensure_sample_repository(line.paths)), BENCH)
    chain = killed_and_resumed(line, intent, (STARTED, VERIFIED))
    assert list(wrong(chain, flashes(line) - before)) == []
    assert chain.last.manifest.devices == (BENCH,)


@pytest.mark.long
def test_what_was_applied_before_a_kill_is_not_applied_again(line: Settings, tmp_path: Path) -> None:
    """Killed once the stack was deployed or definitions were changed, and resumed, there is nothing left to do."""
    stack.down(line, ["exporter"])
    deployed = Intent("deploy_stack", {}, stack.plan(stack.observe(line)).id)
    last = killed_and_resumed(line, deployed, (APPLIED,)).last
    assert last.verdict is Verdict.OK, (last.reason, last.checks)
    (since,) = (service.since for service in stack.status(line) if service.name == "exporter")
    assert since is not None
    assert since < last.started_at
    mine = a_workflow(
        a_child("k1nb-ready", inputParameters={"nonce": "${workflow.input.nonce}"}),
        name=unique("resumed-"),
        inputParameters=["nonce"],
    )
    file = tmp_path / "workflows" / f"{mine['name']}.json"
    file.parent.mkdir()
    file.write_text(json.dumps(mine), encoding="utf-8")
    definitions, findings = lint_folder(tmp_path)
    plan = observe_definitions(line, definitions, findings).plan
    try:
        changed = Intent("definitions", {"folder": str(tmp_path)}, plan.id)
        last = killed_and_resumed(line, changed, (APPLIED,)).last
        with Conductor.from_settings(line) as server:
            (kept,) = [each for each in server.workflow_definitions() if each["name"] == mine["name"]]
    finally:
        forget(line.conductor_server_url, defined(mine))
    assert last.verdict is Verdict.OK, (last.reason, last.checks)
    assert not kept["updateTime"]


@pytest.fixture
def broken(settings: Settings, tmp_path: Path) -> tuple[Path, str]:
    """Return a notebook and the id of a run of it that broke."""
    file = write(tmp_path, check("OK"), "if hours == 2 and not strict:\n    raise RuntimeError('once')")
    return file, run_notebook(settings, str(file), {"hours": "2"}).id


def test_a_broken_run_is_resumed_with_its_parameters(settings: Settings, broken: tuple[Path, str]) -> None:
    """The same notebook runs with the same parameters again, and what cannot be resumed is refused with its reason."""
    file, run = broken
    again = resume_run(settings, run)
    assert (dict(again.parameters), again.manifest.resumes) == ({"device": "", "hours": 2, "strict": False}, run)
    with pytest.raises(UnknownName):
        resume_run(settings, "nobody")
    with pytest.raises(ParameterError, match="applies nothing"):
        resume_run(settings, run, apply="plan-0123456789ab")
    file.write_text(json.dumps(json.loads(file.read_text()), indent=3), encoding="utf-8")
    with pytest.raises(UsageError, match="has changed"):
        resume_run(settings, run)
    file.unlink()
    with pytest.raises(UnknownName, match="not there any more"):
        resume_run(settings, run)


def test_a_run_that_concluded_is_not_resumed(settings: Settings, tmp_path: Path) -> None:
    """What has concluded is an answer, and nothing is left to go on with."""
    done = run_notebook(settings, str(write(tmp_path, check("FAIL"))), {})
    with pytest.raises(UsageError, match="has concluded: FAIL"):
        resume_run(settings, done.id)


def test_a_broken_run_is_gone_on_from_once(settings: Settings) -> None:
    """While a run goes on from it, and once one has concluded, no other may; one that broke leaves it free."""
    staging, broken = Staging(settings), sealed(settings)
    sealed(settings, resumes=broken.id)
    with claimed(settings, broken.id):
        under_way = staging.update(staging.begin("daily_health"), resumes=broken.id)
    with pytest.raises(UsageError, match=f"{under_way.id} is going on"), claimed(settings, broken.id):
        pass
    staging.settle(under_way, reason="cell 2: it broke")
    done = sealed(settings, heap(), resumes=broken.id)
    with pytest.raises(UsageError, match=f"{done.id} has gone on .* concluded: OK"), claimed(settings, broken.id):
        pass
    with claimed(settings, None), claimed(settings, done.id):
        pass


def test_what_an_earlier_consent_led_to_does_not_answer_a_new_one(settings: Settings) -> None:
    """A resumed run follows what has begun since the first run of its own consent; a damaged one before it ends it."""
    archive, runs = Archive(settings.paths), list[Record]()
    for days, consent in enumerate(("plan-a", "plan-a", "plan-b", "plan-b")):
        resumes = runs[-1].id if runs else None
        runs.append(sealed(settings, days=-days, parameters={"apply": consent}, resumes=resumes))
    first, second, third, last = runs
    assert [began(archive, run) for run in runs] == [None, first.started_at, None, third.started_at]
    (second.folder / MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(RecordError, match=second.id):
        began(archive, last)
