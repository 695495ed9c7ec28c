"""Lint as a whole."""

from __future__ import annotations

from k1nb.conductor import lint, load
from tests.conductor.builders import a_task, a_use, a_workflow, defined


def test_the_shipped_definitions_break_no_rule() -> None:
    """What is shipped passes every rule."""
    assert lint(load()) == []


def test_tasks_come_before_workflows() -> None:
    """Findings come tasks first, each with everything that is wrong with it."""
    workflow = a_workflow(a_use("unheard_of"), ownerEmail=None)
    findings = lint(defined(workflow, a_task(ownerEmail=None, inputKeys=None)))
    assert [finding.where.split()[0] for finding in findings] == ["task", "task", *["workflow"] * 3]


def test_the_designed_definitions_break_the_rules_they_are_known_to_break() -> None:
    """The pipeline as first designed fails for the reasons that kept it from running."""
    compiling = {
        "name": "platformio_compile",
        "retryCount": 1,
        "timeoutSeconds": 300,
        "inputKeys": ["repo"],
        "outputKeys": ["firmware_bin_path"],
        "ownerEmail": "build-system@k1.reinvented",
    }
    pipeline = {
        "name": "firmware-ci-cd-pipeline",
        "version": 1,
        "schemaVersion": 2,
        "timeoutSeconds": 900,
        "tasks": [
            a_use("validate_commit"),
            a_use("platformio_compile", retryLogic="FIXED", retryDelaySeconds=30),
            a_use("decision", type="DECISION", caseValueParam="success"),
            a_use("gate", type="WAIT", inputParameters={"waitTime": "3600"}),
            a_use("build", type="SUB_WORKFLOW", inputParameters={"subWorkflowName": "firmware-build"}),
        ],
    }
    codes = {finding.code for finding in lint(defined(compiling, pipeline))}
    assert codes >= {"R1", "R2", "R5", "R7", "R8", "R9", "R11", "R14", "K1-RETRY", "K1-OWNER", "K1-PATH"}
