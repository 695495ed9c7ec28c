"""Rules for single tasks as used in a workflow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from math import inf

from k1nb.conductor._definitions import Definition, Definitions, child_of, kind_of, walk
from k1nb.conductor._finding import Finding
from k1nb.conductor._keys import CHILD_KEYS, TASK_TYPES, USE_KEYS
from k1nb.conductor._path import HUMAN_LIMIT, duration_seconds

ONLY_IN_TASK_DEFINITIONS = frozenset(
    {"retryLogic", "retryDelaySeconds", "timeoutSeconds", "responseTimeoutSeconds", "timeoutPolicy", "ownerEmail"}
)
ENDINGS = ("COMPLETED", "FAILED", "TERMINATED")
EVALUATORS = ("value-param", "javascript", "graaljs", "python")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d( \S+)?)?")
"""A WAIT task's `until`, as Conductor reads it."""


def use_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield what is wrong with single tasks of a workflow."""
    uses = list(walk(workflow["tasks"]))
    for name, count in Counter(use["taskReferenceName"] for use in uses).items():
        if count > 1:
            text = f"{count} tasks are called {name}, so references to it are ambiguous"
            yield Finding("K1-REFERENCE", where, text, "give each task a taskReferenceName of its own")
    for use in uses:
        place = f"{where}: {use['taskReferenceName']}"
        kind = kind_of(use)
        yield from _form(place, use, kind)
        if kind in _RULES:
            yield from _RULES[kind](place, use)
        if kind in _RULES_ACROSS:
            yield from _RULES_ACROSS[kind](place, use, definitions)


def _form(place: str, use: Definition, kind: str) -> Iterator[Finding]:
    if not _NAME.fullmatch(use["taskReferenceName"]):
        yield Finding("K1-NAME", place, "a taskReferenceName is in lower case with underscores", "rename it")
    if kind not in TASK_TYPES:
        text = f"Conductor knows no type {kind}: the task waits for a worker of that name"
        yield Finding("K1-TYPE", place, text, "correct the type; a task for a worker is SIMPLE")
    for key in sorted(use.keys() - USE_KEYS):
        if key in ONLY_IN_TASK_DEFINITIONS:
            text = f"{key} has no effect within a workflow: Conductor drops it silently"
            yield Finding("R5", place, text, f"move it to the task definition of {use['name']}")
        else:
            yield _unknown(place, key)
    for key in ("caseValueParam", "caseExpression"):
        if key in use and kind != "DECISION":
            yield Finding("R14", place, f"{key} is of the deprecated DECISION", "use evaluatorType and expression")


def _unknown(place: str, key: str) -> Finding:
    return Finding("K1-KEY", place, f"Conductor knows no key {key!r} and drops it silently", "remove or correct it")


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
    elif child_of(use, definitions) is None:
        yield Finding("R9", place, f"sub-workflow {name} v{version} is not defined", "define it, or correct the name")
    for key in sorted(wanted.keys() - CHILD_KEYS):
        yield _unknown(place, f"subWorkflowParam.{key}")
    for key in sorted(wanted.keys() & {"idempotencyKey", "idempotencyStrategy"}):
        text = f"{key} is ignored: the same key starts another execution"
        yield Finding("R22", place, text, "remove it; let the task function do nothing the second time")


def _wait(place: str, use: Definition) -> Iterator[Finding]:
    words = use.get("inputParameters") or {}
    given = [key for key in ("duration", "until") if key in words]
    if len(given) != 1 or words.keys() - {"duration", "until"}:
        text = (
            f"a WAIT task knows duration or until, not {', '.join(sorted(words)) or 'neither'}: it would wait for ever"
        )
        yield Finding("R11", place, text, "give exactly one of the two")
        return
    value = words[given[0]]
    if "${" in str(value):
        return
    if given == ["duration"] and duration_seconds(value) == inf:
        yield Finding("R11", place, f"duration {value!r} is none", "write it like `1 hour 30 minutes`")
    if given == ["until"] and not _MOMENT.fullmatch(str(value)):
        yield Finding("R11", place, f"until {value!r} is no time", "write it like `2027-03-01 12:00 GMT`")


def _human(place: str, use: Definition) -> Iterator[Finding]:
    limit = (use.get("inputParameters") or {}).get(HUMAN_LIMIT)
    if not isinstance(limit, int | float) or isinstance(limit, bool):
        text = "a HUMAN task waits until somebody answers it, and here nothing says for how long"
        yield Finding("R12", place, text, f"give it the input {HUMAN_LIMIT}, in seconds")


def _switch(place: str, use: Definition) -> Iterator[Finding]:
    evaluator, expression = use.get("evaluatorType"), use.get("expression")
    if not evaluator or not expression:
        yield Finding("R13", place, "a SWITCH needs evaluatorType and expression", "give both")
    elif evaluator not in EVALUATORS:
        text = f"evaluatorType {evaluator!r} is unknown to Conductor"
        yield Finding("R13", place, text, f"use one of {', '.join(EVALUATORS)}")
    elif evaluator == "value-param" and expression not in (use.get("inputParameters") or {}):
        text = f"expression {expression!r} is none of its inputParameters, so no case ever matches"
        yield Finding("R13", place, text, "let expression name an input")
    if not use.get("decisionCases"):
        yield Finding("R13", place, "a SWITCH without a case is refused", "give decisionCases")
    if "defaultCase" not in use:
        text = "nothing says what happens when no case matches"
        yield Finding("R13", place, text, "give defaultCase, an empty list if nothing shall happen")
    for case in use.get("decisionCases") or ():
        if case.lower() in ("true", "false", "null") and case != case.lower():
            text = f"case {case} never matches JSON's {case.lower()}, whose text is in lower case"
            yield Finding("R13", place, text, f"call it {case.lower()}")


def _decision(place: str, use: Definition) -> Iterator[Finding]:
    mend = "use SWITCH with evaluatorType value-param"
    yield Finding("R14", place, f"DECISION is deprecated ({use['name']})", mend)


def _loop(place: str, use: Definition) -> Iterator[Finding]:
    if not use.get("loopCondition"):
        text = "nothing says when this DO_WHILE ends, which the server refuses"
        yield Finding("K1-LOOP", place, text, "give loopCondition")


def _terminate(place: str, use: Definition) -> Iterator[Finding]:
    status = (use.get("inputParameters") or {}).get("terminationStatus")
    if status not in ENDINGS:
        yield Finding("K1-TERMINATE", place, f"terminationStatus is {status!r}", f"use one of {', '.join(ENDINGS)}")
    if use.get("optional"):
        yield Finding("K1-TERMINATE", place, "a TERMINATE task cannot be optional", "remove optional")


_RULES = {
    "WAIT": _wait,
    "HUMAN": _human,
    "SWITCH": _switch,
    "DECISION": _decision,
    "DO_WHILE": _loop,
    "TERMINATE": _terminate,
}
_RULES_ACROSS = {"SIMPLE": _simple, "SUB_WORKFLOW": _sub_workflow}
"""Rules that need the other definitions."""
