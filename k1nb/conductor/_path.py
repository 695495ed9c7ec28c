"""How long a workflow may take at most, from its definitions alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from k1nb.conductor._definitions import Definitions, Key, branches, child_of, kind_of

INSTANT = frozenset(
    {"SWITCH", "TERMINATE", "JOIN", "EXCLUSIVE_JOIN", "SET_VARIABLE", "INLINE", "JSON_JQ_TRANSFORM", "NOOP"}
)
"""Tasks that the server does itself, in no time worth counting."""
HUMAN_LIMIT = "wait_seconds"
"""Input of a HUMAN task that says how long it waits before it is answered for the person."""
LOOP_LIMIT = "limit_seconds"
"""Input of a DO_WHILE that says how long all its rounds take at most; a task function in it keeps to that."""
_LIMITED = {"HUMAN": HUMAN_LIMIT, "DO_WHILE": LOOP_LIMIT}

_DURATION = re.compile(
    r"\s*(?:(\d+)\s*(?:days?|d))?\s*(?:(\d+)\s*(?:hours?|hrs?|h))?"
    r"\s*(?:(\d+)\s*(?:minutes?|mins?|m))?\s*(?:(\d+)\s*(?:seconds?|secs?|s))?\s*",
    re.IGNORECASE,
)
"""A WAIT task's `duration`, as Conductor reads it."""


@dataclass(frozen=True, slots=True)
class Span:
    """Longest seconds through some tasks, and to an end of the workflow among them; -inf where there is no such way."""

    through: float = 0.0
    ended: float = -inf

    def then(self, following: Span) -> Span:
        """Return this, then that."""
        return Span(self.through + following.through, max(self.ended, self.through + following.ended))

    def beside(self, other: Span) -> Span:
        """Return this or that, whichever takes longer."""
        return Span(max(self.through, other.through), max(self.ended, other.ended))

    def joined(self, other: Span) -> Span:
        """Return this and that at the same time: through only where both are."""
        through = -inf if -inf in (self.through, other.through) else max(self.through, other.through)
        return Span(through, max(self.ended, other.ended))


def longest_path(definitions: Definitions, workflow: Mapping[str, Any]) -> float:
    """Return the most seconds that a workflow may take if every attempt at every task takes its whole time.

    Counted are (retries + 1) times timeoutSeconds and the delays between them, the slowest branch of a SWITCH or
    FORK_JOIN, a TERMINATE's early end, and a sub-workflow's own limit or path, whichever is longer. `inf` where
    something has no bound: a task without timeoutSeconds or definition, a HUMAN, WAIT or DO_WHILE without limit.
    Time that a task waits for a worker is not in it.
    """
    return _Measure(definitions, (), {}).workflow(workflow)


def task_seconds(task: Mapping[str, Any], retries: int | None = None) -> float:
    """Return the most seconds of all attempts at a task of this definition; `retries` overrides the definition's."""
    return _attempts(task.get("timeoutSeconds") or inf, task, retries)


def _attempts(once: float, task: Mapping[str, Any], retries: int | None) -> float:
    count = task.get("retryCount", 3) if retries is None else retries
    jitter = task.get("backoffJitterMs", 0) / 1000
    seconds = (count + 1) * once + sum(retry_delay(task, attempt) + jitter for attempt in range(count))
    return float(min(seconds, task.get("totalTimeoutSeconds") or inf))


def retry_delay(task: Mapping[str, Any], attempt: int) -> float:
    """Return the seconds before the retry that follows attempt 0, 1, 2 …, without jitter.

    FIXED is the delay itself, LINEAR_BACKOFF delay x backoffScaleFactor x (attempt + 1), EXPONENTIAL_BACKOFF
    delay x 2^attempt; all are capped by maxRetryDelaySeconds if that is set. Source: Conductor 3.32.1.
    """
    delay = float(task.get("retryDelaySeconds", 60))
    logic = task.get("retryLogic", "FIXED")
    if logic == "LINEAR_BACKOFF":
        delay *= task.get("backoffScaleFactor", 1) * (attempt + 1)
    elif logic == "EXPONENTIAL_BACKOFF":
        delay *= 2.0**attempt
    return min(delay, task.get("maxRetryDelaySeconds") or inf)


def duration_seconds(text: object) -> float:
    """Return the seconds of a WAIT task's duration such as `1 hour 30 minutes`; `inf` for what cannot be known."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text.strip() else None
    if match is None:
        return inf
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


class _Measure:
    """Measures one workflow; `above` names those that it is inside of, `known` has what was measured already."""

    def __init__(self, definitions: Definitions, above: tuple[str, ...], known: dict[Key, float]) -> None:
        self._definitions = definitions
        self._above = above
        self._known = known

    def workflow(self, workflow: Mapping[str, Any]) -> float:
        key = (workflow["name"], workflow["version"])
        if key not in self._known:
            inside = _Measure(self._definitions, (*self._above, workflow["name"]), self._known)
            span = inside._sequence(workflow["tasks"])
            self._known[key] = max(span.through, span.ended)
        return self._known[key]

    def _sequence(self, uses: Iterable[Mapping[str, Any]]) -> Span:
        span = Span()
        for use in uses:
            span = span.then(self._use(use))
        return span

    def _use(self, use: Mapping[str, Any]) -> Span:
        kind = kind_of(use)
        if kind == "TERMINATE":
            return Span(-inf, 0.0)
        if kind in ("SWITCH", "DECISION"):
            return self._switch(use)
        if kind == "FORK_JOIN":
            return self._fork(use)
        return Span(float(use.get("startDelay") or 0) + self._seconds(kind, use))

    def _switch(self, use: Mapping[str, Any]) -> Span:
        inside = branches(use)
        inside.setdefault("default", [])
        first, *others = (self._sequence(tasks) for tasks in inside.values())
        for other in others:
            first = first.beside(other)
        return first

    def _fork(self, use: Mapping[str, Any]) -> Span:
        span = Span()
        for tasks in branches(use).values():
            span = span.joined(self._sequence(tasks))
        return span

    def _seconds(self, kind: str, use: Mapping[str, Any]) -> float:
        words = use.get("inputParameters") or {}
        if kind in INSTANT:
            return 0.0
        if kind == "SIMPLE":
            task = self._definitions.tasks.get(use["name"])
            return task_seconds(task, use.get("retryCount")) if task else inf
        if kind == "SUB_WORKFLOW":
            return self._child(use)
        if kind == "WAIT":
            return duration_seconds(words.get("duration"))
        if kind in _LIMITED:
            limit = words.get(_LIMITED[kind])
            return float(limit) if isinstance(limit, int | float) else inf
        return inf

    def _child(self, use: Mapping[str, Any]) -> float:
        child = child_of(use, self._definitions)
        if child is None or child["name"] in self._above:
            return inf
        limit = float(child.get("timeoutSeconds") or 0) if child.get("timeoutPolicy") == "TIME_OUT_WF" else 0.0
        path = self.workflow(child)
        once = limit if limit and path == inf else max(limit, path)
        # Where no task definition bears the task's name, Conductor makes one up that does not retry.
        task = self._definitions.tasks.get(use["name"], {"retryCount": 0})
        return _attempts(once, task, use.get("retryCount"))
