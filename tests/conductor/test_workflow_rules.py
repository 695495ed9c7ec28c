"""Rules for workflow definitions: each is broken by one change to a definition that breaks none."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.conductor import Finding, lint
from k1nb.conductor._path import HUMAN_LIMIT
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined

TASK = a_task(inputKeys=[])
OTHER = a_task("other", inputKeys=[])
FINAL = a_task("final", retryCount=0, timeoutPolicy="TIME_OUT_WF")
CHILD = a_workflow(name="child", inputParameters=[])
FORK = a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()], [a_use("other", "last")]])
JOIN = a_use("join", type="JOIN", joinOn=["compile", "last"])


def _findings(*uses: dict[str, Any], **changes: Any) -> list[Finding]:
    return lint(defined(TASK, OTHER, FINAL, CHILD, a_workflow(*uses, **changes)))


def test_sound_definitions_break_no_rule() -> None:
    """Every kind of task can be used so that no rule is broken."""
    uses = [
        a_switch(cases={"true": [a_child()]}, default=[an_end()]),
        FORK,
        JOIN,
        a_use("wait", type="WAIT", inputParameters={"duration": "10 s"}),
        a_use("human", type="HUMAN", inputParameters={HUMAN_LIMIT: 60}),
        a_use("other", "again", optional=True, retryCount=0),
    ]
    assert _findings(*uses, timeoutSeconds=9000) == []


@pytest.mark.parametrize(
    ("code", "uses", "changes", "word"),
    [
        ("R4", [], {"timeoutPolicy": "RETRY"}, "RETRY"),
        ("R5", [a_use(retryLogic="FIXED")], {}, "retryLogic"),
        ("R5", [a_switch(cases={"true": [a_use(timeoutSeconds=5)]})], {}, "timeoutSeconds"),
        ("R6", [], {"schemaVersion": 1}, "schemaVersion"),
        ("R6", [], {"timeoutSeconds": None}, "for ever"),
        ("R6", [], {"timeoutSeconds": 0}, "for ever"),
        ("R7", [], {"timeoutPolicy": None}, "ALERT_ONLY"),
        ("R7", [], {"timeoutPolicy": "ALERT_ONLY"}, "ALERT_ONLY"),
        ("R8", [a_use("unheard_of")], {}, "unheard_of"),
        ("R9", [a_use("child", type="SUB_WORKFLOW")], {}, "subWorkflowParam"),
        ("R9", [a_child(subWorkflowParam={"name": "child"})], {}, "version"),
        ("R9", [a_child("orphan")], {}, "orphan"),
        ("R11", [a_use("wait", type="WAIT", inputParameters={"waitTime": "3600"})], {}, "waitTime"),
        ("R11", [a_use("wait", type="WAIT", inputParameters={"duration": "1 s", "until": "x"})], {}, "until"),
        ("R11", [a_use("wait", type="WAIT")], {}, "neither"),
        ("R11", [a_use("wait", type="WAIT", inputParameters={"duration": "soon"})], {}, "soon"),
        ("R11", [a_use("wait", type="WAIT", inputParameters={"until": "tomorrow"})], {}, "tomorrow"),
        ("R12", [a_use("human", type="HUMAN")], {}, "how long"),
        ("R13", [a_switch(cases={"x": []}, evaluatorType=None)], {}, "evaluatorType"),
        ("R13", [a_switch(cases={"x": []}, evaluatorType="cobol")], {}, "cobol"),
        ("R13", [a_switch(cases={"x": []}, expression="branch")], {}, "branch"),
        ("R13", [a_switch(cases={"x": []}, defaultCase=None)], {}, "no case matches"),
        ("R13", [a_switch(cases={})], {}, "without a case"),
        ("R13", [a_switch(cases={"True": []})], {}, "true"),
        ("R14", [a_use("old", type="DECISION", decisionCases={})], {}, "DECISION"),
        ("R14", [a_switch(cases={"x": []}, caseValueParam="repo")], {}, "caseValueParam"),
        ("R15", [], {"failureWorkflow": "nobody"}, "nobody"),
        ("R15", [], {"failureWorkflow": "child", "failureWorkflowVersion": 2}, "v2"),
        ("R15", [], {"failureWorkflowVersion": 2}, "without"),
        ("R22", [a_child(subWorkflowParam={"name": "child", "version": 1, "idempotencyKey": "x"})], {}, "another"),
        ("R15", [], {"failureWorkflow": "build"}, "itself"),
        ("R21", [FORK, a_use()], {}, "JOIN"),
        ("R21", [FORK], {}, "JOIN"),
        ("R21", [FORK, {**JOIN, "joinOn": ["compile"]}], {}, "last task of each branch"),
        ("R21", [a_switch(cases={"true": [FORK]})], {}, "JOIN"),
        ("R21", [a_switch(cases={"default": [FORK]}, default=[a_use("other", "again")])], {}, "JOIN"),
        (
            "R21",
            [a_use("fork", type="FORK_JOIN", forkTasks=[[a_use()], []]), {**JOIN, "joinOn": ["compile"]}],
            {},
            "branch",
        ),
        ("R21", [a_use(), {**JOIN, "joinOn": ["compile"]}], {}, "closes no"),
        ("K1-NAME", [], {"name": "firmware_build"}, "hyphens"),
        ("K1-KEY", [], {"onFailure": "x"}, "onFailure"),
        ("K1-NAME", [a_use("compile", "a.b")], {}, "taskReferenceName"),
        ("K1-KEY", [a_use(tiemout=5)], {}, "tiemout"),
        (
            "K1-KEY",
            [a_child(subWorkflowParam={"name": "child", "version": 1, "workflowInput": {}})],
            {},
            "workflowInput",
        ),
        ("K1-KIND", [a_use(optional="yes")], {}, "optional"),
        ("K1-KIND", [], {"inputParameters": {"repo": 1}}, "inputParameters"),
        ("K1-KIND", [a_child(subWorkflowParam={"name": 5, "version": 1})], {}, "name"),
        ("K1-NUMBER", [a_use(retryCount=-1)], {}, "retryCount"),
        ("K1-NUMBER", [], {"timeoutSeconds": "600"}, "timeoutSeconds"),
        ("K1-EMPTY", [], {"tasks": []}, "no tasks"),
        ("K1-LOOP", [a_use("loop", type="DO_WHILE", loopOver=[a_use()])], {}, "ends"),
        ("K1-TYPE", [a_use(type="SIMPEL")], {}, "SIMPEL"),
        ("K1-ADDRESS", [], {"inputTemplate": {"repo": "192.168.1.104"}}, "192.168.1.104"),
        ("K1-DISK", [a_child(inputParameters={"repo": "/builds/k1"})], {}, "/builds/k1"),
        ("K1-OWNER", [], {"ownerEmail": None}, "ownerEmail"),
        ("K1-REFERENCE", [a_use(), a_use("other", "compile")], {}, "2 tasks"),
        ("K1-OPTIONAL", [a_use("final", optional=True)], {}, "TIME_OUT_WF"),
        ("K1-TERMINATE", [an_end(status="DONE")], {}, "DONE"),
        ("K1-TERMINATE", [an_end(optional=True)], {}, "optional"),
        ("K1-PATH", [], {"timeoutSeconds": 125}, "125 s"),
        ("K1-PATH", [a_use("human", type="HUMAN")], {}, "no bound"),
        ("K1-PATH", [a_child()], {}, "3600 s"),
    ],
)
def test_each_rule_is_found(code: str, uses: list[dict[str, Any]], changes: dict[str, Any], word: str) -> None:
    """A workflow that breaks a rule is named with the rule, the place, what is wrong, and what to do."""
    findings = [finding for finding in _findings(*uses, **changes) if finding.code == code]
    assert len(findings) == 1
    assert word in findings[0].text
    assert findings[0].where.startswith("workflow ")
    assert findings[0].mend


def test_findings_name_the_task() -> None:
    """What is wrong with a task names its workflow, version and reference name."""
    (finding,) = [f for f in _findings(a_use("wait", type="WAIT")) if f.code == "R11"]
    assert finding.where == "workflow build v1: wait"


def test_a_second_more_than_the_path_is_enough() -> None:
    """The time limit must be above the longest path, not at it."""
    assert _findings(timeoutSeconds=126) == []


def test_a_failure_workflow_may_come_from_the_input() -> None:
    """A name that is read from the input when it is needed cannot be judged beforehand."""
    assert _findings(failureWorkflow="${workflow.input.repo}") == []
