"""Rules for task definitions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k1nb.conductor._definitions import Definition, task_subject
from k1nb.conductor._finding import Finding
from k1nb.conductor._keys import TASK_KEYS

POLICIES = ("RETRY", "TIME_OUT_WF", "ALERT_ONLY")
LOGICS = ("FIXED", "LINEAR_BACKOFF", "EXPONENTIAL_BACKOFF")
_MUST = ("retryCount", "timeoutSeconds", "responseTimeoutSeconds", "timeoutPolicy")
_MUST_WITH_RETRIES = ("retryLogic", "retryDelaySeconds")
_ASSUMED = {"retryCount": 3, "timeoutSeconds": 0, "responseTimeoutSeconds": 3600, "totalTimeoutSeconds": 0}
"""What Conductor takes where one of these is left out."""
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def task_findings(task: Definition) -> Iterator[Finding]:
    """Yield what is wrong with one task definition that is readable."""
    where = task_subject(task["name"])
    for rule in (_form, _lists, _words, _left_out, _times, _retries):
        yield from rule(where, task)


def _number(task: Definition, key: str) -> int:
    return int(task.get(key, _ASSUMED[key]))


def _form(where: str, task: Definition) -> Iterator[Finding]:
    if not _NAME.fullmatch(task["name"]):
        yield Finding("K1-NAME", where, "a task type is written in lower case with underscores", "rename it")
    for key in sorted(task.keys() - TASK_KEYS):
        yield Finding("K1-KEY", where, f"Conductor knows no key {key!r} and drops it silently", "remove or correct it")
    if not task.get("ownerEmail"):
        yield Finding("K1-OWNER", where, "ownerEmail is missing, which the server refuses", "name who answers for it")


def _lists(where: str, task: Definition) -> Iterator[Finding]:
    for key in ("inputKeys", "outputKeys"):
        if task.get(key) is None:
            text = f"{key} is missing, so nothing says what the task takes or gives"
            yield Finding("R3", where, text, "give a list of names, an empty one where there are none")


def _words(where: str, task: Definition) -> Iterator[Finding]:
    for key, known in (("timeoutPolicy", POLICIES), ("retryLogic", LOGICS)):
        if key in task and task[key] not in known:
            yield Finding("R4", where, f"{key} {task[key]!r} is unknown to Conductor", f"use one of {', '.join(known)}")


def _left_out(where: str, task: Definition) -> Iterator[Finding]:
    must = (*_MUST, *_MUST_WITH_RETRIES) if _number(task, "retryCount") else _MUST
    missing = [key for key in must if key not in task]
    if missing:
        text = f"{', '.join(missing)} left out: Conductor would take 3 retries, 60 s apart, and an hour to answer"
        yield Finding("R1", where, text, "give them all")


def _times(where: str, task: Definition) -> Iterator[Finding]:
    timeout, response, total = (
        _number(task, key) for key in ("timeoutSeconds", "responseTimeoutSeconds", "totalTimeoutSeconds")
    )
    if timeout == 0:
        text = "timeoutSeconds is 0 or missing: one attempt may take for ever"
        yield Finding("K1-TIMEOUT", where, text, "bound one attempt")
    elif response > timeout:
        text = f"responseTimeoutSeconds {response} is above timeoutSeconds {timeout}, which the server refuses"
        yield Finding("R2", where, text, f"set responseTimeoutSeconds to {timeout} or less")
    if response < 1:
        yield Finding("R2", where, "responseTimeoutSeconds must be 1 or more", "set it")
    if 0 < total < timeout:
        text = f"totalTimeoutSeconds {total} is below timeoutSeconds {timeout}, which the server refuses"
        yield Finding("R2", where, text, f"set totalTimeoutSeconds to {timeout} or more, or to 0")


def _retries(where: str, task: Definition) -> Iterator[Finding]:
    policy = task.get("timeoutPolicy", "TIME_OUT_WF")
    if policy == "ALERT_ONLY":
        text = "timeoutPolicy ALERT_ONLY never ends an attempt that hangs"
        yield Finding("R7", where, text, "use RETRY, or TIME_OUT_WF where retryCount is 0")
    elif policy == "TIME_OUT_WF" and _number(task, "retryCount"):
        text = "timeoutPolicy TIME_OUT_WF ends the workflow at the first timeout and ignores the retries"
        yield Finding("K1-RETRY", where, text, "use timeoutPolicy RETRY")
