"""Rules for task definitions: each is broken by one change to a definition that breaks none."""

from __future__ import annotations

from typing import Any

import pytest

from k1nb.conductor import Finding, lint, load
from tests.conductor.builders import a_task, defined


def task_findings(task: dict[str, Any]) -> list[Finding]:
    """Return what lint finds in one task definition."""
    return lint(defined(task))


def test_a_sound_definition_breaks_no_rule() -> None:
    """A definition that says what it must passes."""
    assert list(task_findings(a_task())) == []


@pytest.mark.parametrize(
    ("code", "changes", "word"),
    [
        ("R1", {"retryCount": None}, "retryCount"),
        ("R1", {"timeoutPolicy": None, "retryCount": 0}, "timeoutPolicy"),
        ("R1", {"retryLogic": None, "retryDelaySeconds": None}, "retryLogic, retryDelaySeconds"),
        ("R2", {"responseTimeoutSeconds": 61}, "61"),
        ("R2", {"responseTimeoutSeconds": 0}, "1 or more"),
        ("R2", {"totalTimeoutSeconds": 59}, "59"),
        ("R3", {"inputKeys": {"repo": "x"}}, "inputKeys"),
        ("R3", {"outputKeys": [1]}, "outputKeys"),
        ("R3", {"outputKeys": None}, "outputKeys"),
        ("R3", {"outputKeys": "image"}, "outputKeys"),
        ("R4", {"timeoutPolicy": "GIVE_UP"}, "GIVE_UP"),
        ("R4", {"retryLogic": "RANDOM"}, "RANDOM"),
        ("R7", {"timeoutPolicy": "ALERT_ONLY"}, "ALERT_ONLY"),
        ("K1-RETRY", {"timeoutPolicy": "TIME_OUT_WF"}, "ignores the retries"),
        ("K1-TIMEOUT", {"timeoutSeconds": 0}, "for ever"),
        ("K1-NUMBER", {"timeoutSeconds": "60"}, "'60'"),
        ("K1-NUMBER", {"retryCount": -1}, "-1"),
        ("K1-NUMBER", {"retryDelaySeconds": True}, "True"),
        ("K1-NUMBER", {"backoffScaleFactor": 0}, "backoffScaleFactor"),
        ("K1-KIND", {"inputTemplate": [1]}, "inputTemplate"),
        ("K1-ADDRESS", {"inputTemplate": {"device_ip": "192.168.1.104"}}, "192.168.1.104"),
        ("K1-ADDRESS", {"inputTemplate": {"device": ["at 02:4B:31:00:00:02"]}}, "02:4B"),
        ("K1-DISK", {"inputTemplate": {"folder": "~/firmware"}}, "~/firmware"),
        ("K1-NAME", {"name": "device-health-check"}, "underscores"),
        ("K1-KEY", {"onFailure": "x"}, "onFailure"),
        ("K1-OWNER", {"ownerEmail": None}, "ownerEmail"),
        ("K1-OWNER", {"ownerEmail": ""}, "ownerEmail"),
    ],
)
def test_each_rule_is_found(code: str, changes: dict[str, Any], word: str) -> None:
    """A definition that breaks a rule is named with the rule, what is wrong, and what to do."""
    findings = [finding for finding in task_findings(a_task(**changes)) if finding.code == code]
    assert len(findings) == 1
    assert word in findings[0].text
    assert findings[0].where.startswith("task ")
    assert findings[0].mend


def test_the_response_default_is_the_servers() -> None:
    """A response time-out left out is an hour, as on the server, and so above a shorter time-out."""
    codes = {finding.code for finding in task_findings(a_task(responseTimeoutSeconds=None))}
    assert codes == {"R1", "R2"}


def test_no_retries_need_no_delay() -> None:
    """Without retries nothing is said about their logic, and TIME_OUT_WF is right."""
    task = a_task(retryCount=0, retryLogic=None, retryDelaySeconds=None, timeoutPolicy="TIME_OUT_WF")
    assert list(task_findings(task)) == []


def test_every_shipped_task_survives_the_loss_of_its_worker() -> None:
    """A worker that is killed costs an attempt, never the execution; what is started anew by itself needs none."""
    once = {name for name, task in load().tasks.items() if task["retryCount"] < 1 or task["timeoutPolicy"] != "RETRY"}
    assert once == {"ready_probe", "close_overdue_approvals"}
