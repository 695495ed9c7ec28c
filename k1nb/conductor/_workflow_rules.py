"""Rules for workflow definitions as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from math import inf

from k1nb.conductor._definitions import Definition, Definitions, branches, kind_of
from k1nb.conductor._finding import Finding
from k1nb.conductor._keys import WORKFLOW_KEYS
from k1nb.conductor._path import longest_path

POLICIES = ("TIME_OUT_WF", "ALERT_ONLY")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_FORKS = ("FORK_JOIN", "FORK_JOIN_DYNAMIC")


def form_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield what is wrong with a workflow's name, owner, keys and time-out policy."""
    if not _NAME.fullmatch(workflow["name"]):
        yield Finding("K1-NAME", where, "a workflow's name is in lower case with hyphens", "rename it")
    for key in sorted(workflow.keys() - WORKFLOW_KEYS):
        yield Finding("K1-KEY", where, f"Conductor knows no key {key!r} and drops it silently", "remove or correct it")
    if not workflow.get("ownerEmail"):
        yield Finding("K1-OWNER", where, "ownerEmail is missing, which the server refuses", "name who answers for it")
    if not workflow["tasks"]:
        yield Finding("K1-EMPTY", where, "it has no tasks, which the server refuses", "give it tasks, or remove it")
    if workflow.get("schemaVersion") != 2:
        yield Finding("R6", where, f"schemaVersion is {workflow.get('schemaVersion')!r}", "set schemaVersion to 2")
    yield from _policy(where, workflow.get("timeoutPolicy"))


def _policy(where: str, policy: object) -> Iterator[Finding]:
    mend = "set timeoutPolicy to TIME_OUT_WF"
    if policy is not None and policy not in POLICIES:
        yield Finding("R4", where, f"timeoutPolicy {policy!r} of a workflow is unknown to Conductor", mend)
    elif policy != "TIME_OUT_WF":
        policy = policy or "ALERT_ONLY, Conductor's own choice"
        text = f"timeoutPolicy is {policy}: the execution would run on past its timeout, counted again and again"
        yield Finding("R7", where, text, mend)


def path_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield a time-out that is missing, or that the workflow's own longest path exceeds."""
    limit, path = workflow.get("timeoutSeconds"), longest_path(definitions, workflow)
    if not limit:
        yield Finding("R6", where, f"timeoutSeconds is {limit!r}: the execution may run for ever", "set timeoutSeconds")
    elif path == inf:
        text = "how long it may take has no bound: a task without timeoutSeconds, a wait without limit, or a loop"
        yield Finding("K1-PATH", where, text, "bound every task on the way")
    elif limit <= path:
        text = f"timeoutSeconds {limit} is not above the longest path, {path:g} s with all retries and their delays"
        yield Finding("K1-PATH", where, text, f"set timeoutSeconds above {path:g}, or shorten the path")


def failure_findings(where: str, workflow: Definition, definitions: Definitions) -> Iterator[Finding]:
    """Yield a failure workflow that is unknown, or that has one itself."""
    name, version = workflow.get("failureWorkflow"), workflow.get("failureWorkflowVersion")
    if version and not name:
        yield Finding("R15", where, "failureWorkflowVersion without failureWorkflow", "name the workflow, or remove it")
    if not name or name.startswith("$"):
        return
    handler = definitions.workflow(name, version)
    if handler is None:
        text = f"failureWorkflow {name}{f' v{version}' if version else ''} is not defined"
        yield Finding("R15", where, text, "define it, or correct the name")
    elif handler.get("failureWorkflow"):
        text = f"failure workflow {name} names a failureWorkflow itself"
        yield Finding("R15", where, text, f"remove failureWorkflow from {name}")


def join_findings(where: str, workflow: Definition) -> Iterator[Finding]:
    """Yield every FORK_JOIN that no JOIN on the last task of each branch closes, and every JOIN that closes none."""
    yield from _joins(where, workflow["tasks"])


def _joins(where: str, uses: list[Definition]) -> Iterator[Finding]:
    before: Definition = {}
    for use, following in zip_longest(uses, uses[1:]):
        for inside in branches(use).values():
            yield from _joins(where, inside)
        place = f"{where}: {use['taskReferenceName']}"
        if kind_of(use) == "FORK_JOIN":
            yield from _fork(place, use, following)
        if kind_of(use) == "JOIN" and kind_of(before) not in _FORKS:
            yield Finding("R21", place, "this JOIN closes no FORK_JOIN, so it joins nothing", "remove it")
        before = use


def _fork(place: str, use: Definition, following: Definition | None) -> Iterator[Finding]:
    forked = use.get("forkTasks") or []
    last = [tasks[-1]["taskReferenceName"] for tasks in forked if tasks]
    if len(last) < max(len(forked), 1):
        text = "a branch without tasks: the workflow cannot even be started"
        yield Finding("R21", place, text, "give every branch a task, or remove it")
    if following is None or kind_of(following) != "JOIN":
        yield Finding("R21", place, "no JOIN follows this FORK_JOIN", "close it with a JOIN")
    elif set(following.get("joinOn") or ()) != set(last):
        text = f"{following['taskReferenceName']} does not join on the last task of each branch"
        yield Finding("R21", place, text, f"set joinOn to {', '.join(sorted(last))}")
