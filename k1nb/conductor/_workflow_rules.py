"""Rules for workflow definitions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import zip_longest
from math import inf

from k1nb.conductor._definitions import Definition, Definitions, branches, kind_of, walk
from k1nb.conductor._finding import Finding
from k1nb.conductor._keys import USE_KEYS, WORKFLOW_KEYS
from k1nb.conductor._path import HUMAN_LIMIT, duration_seconds, longest_path

ONLY_IN_TASK_DEFINITIONS = frozenset(
    {"retryLogic", "retryDelaySeconds", "timeoutSeconds", "responseTimeoutSeconds", "timeoutPolicy", "ownerEmail"}
)
ENDINGS = ("COMPLETED", "FAILED", "TERMINATED")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def form_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield what is wrong with a workflow's name, owner, keys and time-out policy."""
    if not _NAME.fullmatch(workflow["name"]):
        yield Finding("K1-NAME", where, "a workflow's name is in lower case with hyphens", "rename it")
    for key in sorted(workflow.keys() - WORKFLOW_KEYS):
        yield Finding("K1-KEY", where, f"Conductor knows no key {key!r} and drops it silently", "remove or correct it")
    if not workflow.get("ownerEmail"):
        yield Finding("K1-OWNER", where, "ownerEmail is missing, which the server refuses", "name who answers for it")
    if workflow.get("schemaVersion") != 2:
        yield Finding("R6", where, f"schemaVersion is {workflow.get('schemaVersion')!r}", "set schemaVersion to 2")
    if workflow.get("timeoutPolicy") != "TIME_OUT_WF":
        policy = workflow.get("timeoutPolicy", "ALERT_ONLY, Conductor's own choice")
        text = f"timeoutPolicy is {policy}: the execution would run on past its timeout, counted again and again"
        yield Finding("R7", where, text, "set timeoutPolicy to TIME_OUT_WF")


def path_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield a time-out that is missing, or that the workflow's own longest path exceeds."""
    limit, path = workflow.get("timeoutSeconds"), longest_path(definitions, workflow)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        yield Finding("R6", where, f"timeoutSeconds is {limit!r}: the execution may run for ever", "set timeoutSeconds")
    elif path == inf:
        text = "how long it may take has no bound: a task without timeoutSeconds, a wait without limit, or a loop"
        yield Finding("K1-PATH", where, text, "bound every task on the way")
    elif limit <= path:
        text = f"timeoutSeconds {limit} is not above the longest path, {path:g} s with all retries and their delays"
        yield Finding("K1-PATH", where, text, f"set timeoutSeconds above {path:g}, or shorten the path")


def failure_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield a failure workflow that is unknown, or that has one itself."""
    name = workflow.get("failureWorkflow")
    if not name or name.startswith("$"):
        return
    handler = definitions.workflow(name, workflow.get("failureWorkflowVersion"))
    if handler is None:
        yield Finding("R15", where, f"failureWorkflow {name} is not defined", "define it, or correct the name")
    elif handler.get("failureWorkflow"):
        text = f"failure workflow {name} names a failureWorkflow itself"
        yield Finding("R15", where, text, f"remove failureWorkflow from {name}")


def use_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield what is wrong with single tasks of a workflow."""
    uses = list(walk(workflow["tasks"]))
    for name, count in Counter(use["taskReferenceName"] for use in uses).items():
        if count > 1:
            text = f"{count} tasks are called {name}, so references to it are ambiguous"
            yield Finding("K1-REFERENCE", where, text, "give each task a taskReferenceName of its own")
    for use in uses:
        place = f"{where}: {use['taskReferenceName']}"
        yield from _key_findings(place, use)
        kind = kind_of(use)
        if kind in _RULES:
            yield from _RULES[kind](place, use)
        if kind in _RULES_ACROSS:
            yield from _RULES_ACROSS[kind](place, use, definitions)


def _key_findings(place: str, use: Definition) -> Iterator[Finding]:
    for key in sorted(use.keys() - USE_KEYS):
        if key in ONLY_IN_TASK_DEFINITIONS:
            text = f"{key} has no effect within a workflow: Conductor drops it silently"
            yield Finding("R5", place, text, f"move it to the task definition of {use['name']}")
        else:
            text = f"Conductor knows no key {key!r} and drops it silently"
            yield Finding("K1-KEY", place, text, "remove or correct it")


def _simple(place: str, use: Definition, definitions: Definitions) -> Iterator[Finding]:
    if use["name"] not in definitions.tasks:
        text = f"task type {use['name']} is not defined: Conductor would make one up, without any timeout"
        yield Finding("R8", place, text, "define it, or correct the name")
    elif use.get("optional") and definitions.tasks[use["name"]].get("timeoutPolicy", "TIME_OUT_WF") == "TIME_OUT_WF":
        text = f"optional does not help against a timeout: {use['name']} has timeoutPolicy TIME_OUT_WF"
        yield Finding("K1-OPTIONAL", place, text, f"give {use['name']} timeoutPolicy RETRY")


def _sub_workflow(place: str, use: Definition, definitions: Definitions) -> Iterator[Finding]:
    wanted = use.get("subWorkflowParam") or {}
    name, version = wanted.get("name"), wanted.get("version")
    if not name or not version:
        yield Finding("R9", place, "subWorkflowParam needs name and version", "give both")
    elif definitions.workflow(name, version) is None:
        yield Finding("R9", place, f"sub-workflow {name} v{version} is not defined", "define it, or correct the name")


def _wait(place: str, use: Definition) -> Iterator[Finding]:
    words = use.get("inputParameters") or {}
    given = [key for key in ("duration", "until") if key in words]
    if len(given) != 1 or words.keys() - {"duration", "until"}:
        text = (
            f"a WAIT task knows duration or until, not {', '.join(sorted(words)) or 'neither'}: it would wait for ever"
        )
        yield Finding("R11", place, text, "give exactly one of the two")
    elif "duration" in words and "${" not in str(words["duration"]) and duration_seconds(words["duration"]) == inf:
        yield Finding("R11", place, f"duration {words['duration']!r} is none", "write it like `1 hour 30 minutes`")


def _human(place: str, use: Definition) -> Iterator[Finding]:
    limit = (use.get("inputParameters") or {}).get(HUMAN_LIMIT)
    if not isinstance(limit, int | float) or isinstance(limit, bool):
        text = "a HUMAN task waits until somebody answers it, and here nothing says for how long"
        yield Finding("R12", place, text, f"give it the input {HUMAN_LIMIT}, in seconds")


def _switch(place: str, use: Definition) -> Iterator[Finding]:
    evaluator, expression = use.get("evaluatorType"), use.get("expression")
    if not evaluator or not expression:
        yield Finding("R13", place, "a SWITCH needs evaluatorType and expression", "give both")
    elif evaluator == "value-param" and expression not in (use.get("inputParameters") or {}):
        text = f"expression {expression!r} is none of its inputParameters, so no case ever matches"
        yield Finding("R13", place, text, "let expression name an input")
    if "defaultCase" not in use:
        text = "nothing says what happens when no case matches"
        yield Finding("R13", place, text, "give defaultCase, an empty list if nothing shall happen")


def _decision(place: str, use: Definition) -> Iterator[Finding]:
    mend = "use SWITCH with evaluatorType value-param"
    yield Finding("R14", place, f"DECISION is deprecated ({use['name']})", mend)


def _terminate(place: str, use: Definition) -> Iterator[Finding]:
    status = (use.get("inputParameters") or {}).get("terminationStatus")
    if status not in ENDINGS:
        yield Finding("K1-TERMINATE", place, f"terminationStatus is {status!r}", f"use one of {', '.join(ENDINGS)}")
    if use.get("optional"):
        yield Finding("K1-TERMINATE", place, "a TERMINATE task cannot be optional", "remove optional")


_RULES = {"WAIT": _wait, "HUMAN": _human, "SWITCH": _switch, "DECISION": _decision, "TERMINATE": _terminate}
_RULES_ACROSS = {"SIMPLE": _simple, "SUB_WORKFLOW": _sub_workflow}
"""Rules that need the other definitions."""


def join_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield every FORK_JOIN that is not closed by a JOIN on the last task of each branch."""
    yield from _joins(where, workflow["tasks"])


def _joins(where: str, uses: list[Definition]) -> Iterator[Finding]:
    for use, following in zip_longest(uses, uses[1:]):
        for inside in branches(use).values():
            yield from _joins(where, inside)
        if kind_of(use) != "FORK_JOIN":
            continue
        place = f"{where}: {use['taskReferenceName']}"
        last = {tasks[-1]["taskReferenceName"] for tasks in branches(use).values() if tasks}
        if following is None or kind_of(following) != "JOIN":
            yield Finding("R21", place, "no JOIN follows this FORK_JOIN", "close it with a JOIN")
        elif set(following.get("joinOn") or ()) != last:
            text = f"{following['taskReferenceName']} does not join on the last task of each branch"
            yield Finding("R21", place, text, f"set joinOn to {', '.join(sorted(last))}")
