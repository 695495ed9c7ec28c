"""How long a workflow may take at most."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import load, longest_path
from k1nb.conductor._path import HUMAN_LIMIT, LOOP_LIMIT, duration_seconds, retry_delay, task_seconds
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined

QUICK = a_task("quick", retryCount=0, timeoutSeconds=10)
SLOW = a_task("slow", retryCount=1, timeoutSeconds=100, retryDelaySeconds=20)


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"retryCount": 0}, 60),
        ({"retryCount": 2, "retryDelaySeconds": 10}, 3 * 60 + 20),
        ({"retryCount": 3, "retryLogic": "EXPONENTIAL_BACKOFF", "retryDelaySeconds": 60}, 4 * 60 + 60 + 120 + 240),
        (
            {"retryCount": 3, "retryLogic": "EXPONENTIAL_BACKOFF", "retryDelaySeconds": 60, "maxRetryDelaySeconds": 90},
            4 * 60 + 60 + 90 + 90,
        ),
        ({"retryCount": 3, "retryLogic": "LINEAR_BACKOFF", "retryDelaySeconds": 10}, 4 * 60 + 10 + 20 + 30),
        (
            {"retryCount": 2, "retryLogic": "LINEAR_BACKOFF", "retryDelaySeconds": 10, "backoffScaleFactor": 3},
            3 * 60 + 30 + 60,
        ),
        ({"retryCount": 2, "retryDelaySeconds": 10, "backoffJitterMs": 500}, 3 * 60 + 20 + 1),
        ({"retryCount": 5, "totalTimeoutSeconds": 90}, 90),
        ({"retryCount": None, "retryDelaySeconds": None, "retryLogic": None}, 4 * 60 + 3 * 60),
        ({"timeoutSeconds": 0}, inf),
    ],
)
def test_a_task_takes_all_its_attempts_and_delays(changes: dict[str, Any], seconds: float) -> None:
    """The longest is every attempt's whole time, and the delays between them as Conductor reckons them."""
    assert task_seconds(a_task(**changes)) == seconds


def test_a_use_may_override_the_retries() -> None:
    """`retryCount` within a workflow replaces the definition's, 0 included."""
    definitions = defined(SLOW)
    assert longest_path(definitions, a_workflow(a_use("slow", retryCount=0))) == 100
    assert longest_path(definitions, a_workflow(a_use("slow", retryCount=2))) == 340


def _wait(**words: Any) -> dict[str, Any]:
    return a_use("wait", type="WAIT", inputParameters=words)


def _fork(*branches: list[dict[str, Any]]) -> dict[str, Any]:
    return a_use("fork", type="FORK_JOIN", forkTasks=list(branches))


JOIN = a_use("join", type="JOIN", joinOn=["slow", "quick"])
HUMAN = a_use("human", type="HUMAN", inputParameters={HUMAN_LIMIT: 3600})


@pytest.mark.parametrize(
    ("uses", "seconds"),
    [
        ([a_use("quick"), a_use("slow")], 230),
        ([a_use("quick", startDelay=5)], 15),
        ([_fork([a_use("quick")], [a_use("slow")]), JOIN], 220),
        ([a_switch(cases={"a": [a_use("quick")], "b": [a_use("slow")]}), a_use("quick", "after")], 230),
        ([a_switch(cases={}, default=[a_use("slow")])], 220),
        ([a_switch(cases={"a": [a_use("slow"), an_end()]}), a_use("quick")], 220),
        ([a_switch(cases={"a": [a_use("quick"), an_end()]}), a_use("slow")], 220),
        ([a_switch(cases={"a": [an_end()]}, default=[an_end("end2")]), a_use("slow")], 0),
        ([_fork([a_use("quick"), an_end()], [a_use("slow")]), JOIN, a_use("quick", "after")], 10),
        ([_wait(duration="2 minutes"), a_use("quick")], 130),
        ([_wait(until="2030-01-01 00:00")], inf),
        ([_wait(duration="${workflow.input.repo}")], inf),
        ([HUMAN], 3600),
        ([a_use("human", type="HUMAN")], inf),
        ([a_use("loop", type="DO_WHILE", loopOver=[a_use("quick")])], inf),
        ([a_use("loop", type="DO_WHILE", loopOver=[HUMAN], inputParameters={LOOP_LIMIT: 900}), a_use("quick")], 910),
        ([a_use("unknown")], inf),
        ([a_use("inline", type="INLINE"), a_use("quick")], 10),
    ],
)
def test_the_slowest_way_counts(uses: list[dict[str, Any]], seconds: float) -> None:
    """Branches count by their slowest, an early end ends the way, and what has no bound makes all unbounded."""
    assert longest_path(defined(QUICK, SLOW), a_workflow(*uses)) == seconds


def test_children_count_with_their_own_limit() -> None:
    """A sub-workflow may use up its own time limit; without one its longest path counts."""
    parent = a_workflow(a_use("quick"), a_child())
    for limit, seconds in ((500, 510), (100, 230), (None, 230)):
        child = a_workflow(a_use("slow"), name="child", timeoutSeconds=limit)
        assert longest_path(defined(QUICK, SLOW, child), parent) == seconds
    advisory = a_workflow(a_use("slow"), name="child", timeoutSeconds=500, timeoutPolicy="ALERT_ONLY")
    assert longest_path(defined(QUICK, SLOW, advisory), parent) == 230


def test_a_limit_bounds_a_child_that_waits_for_ever() -> None:
    """A person may be waited for without a bound of its own, if the sub-workflow has one."""
    child = a_workflow(a_use("human", type="HUMAN"), name="child", timeoutSeconds=7200)
    assert longest_path(defined(child), a_workflow(a_child())) == 7200


def test_children_are_retried_only_on_demand() -> None:
    """A sub-workflow is tried once, unless its use or a task definition of its name says otherwise."""
    child = a_workflow(a_use("quick"), name="child", timeoutSeconds=50)
    retried = a_task("child", retryCount=1, retryDelaySeconds=7)
    assert longest_path(defined(QUICK, child), a_workflow(a_child())) == 50
    assert longest_path(defined(QUICK, child), a_workflow(a_child(retryCount=2))) == 3 * 50 + 2 * 60
    assert longest_path(defined(QUICK, child, retried), a_workflow(a_child())) == 107


def test_a_child_without_tasks_that_take_time_takes_none() -> None:
    """A sub-workflow of instant tasks without a limit of its own adds nothing."""
    child = a_workflow(a_use("inline", type="INLINE"), name="child", timeoutSeconds=None)
    assert longest_path(defined(child), a_workflow(a_child())) == 0


def test_a_workflow_inside_itself_has_no_bound() -> None:
    """Recursion ends the reckoning, not the program."""
    one = a_workflow(a_child("two"), name="one", timeoutSeconds=None)
    two = a_workflow(a_child("one"), name="two", timeoutSeconds=None)
    assert longest_path(defined(one, two), one) == inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30 s", 30), ("1 hour 30 minutes", 5400), ("2d3h", 183_600), ("5 MIN", 300), ("", inf), ("soon", inf), (5, inf)],
)
def test_durations_are_read_as_conductor_does(text: object, seconds: float) -> None:
    """Days, hours, minutes and seconds, in this order, long or short; anything else has no bound."""
    assert duration_seconds(text) == seconds


@given(
    logic=st.sampled_from(["FIXED", "LINEAR_BACKOFF", "EXPONENTIAL_BACKOFF"]),
    delay=st.integers(0, 600),
    cap=st.integers(0, 600),
    attempt=st.integers(0, 12),
)
def test_delays_never_shrink_and_keep_their_cap(logic: str, delay: int, cap: int, attempt: int) -> None:
    """Whatever the logic, a later retry waits no less than an earlier one, and never longer than the cap."""
    task = a_task(retryLogic=logic, retryDelaySeconds=delay, maxRetryDelaySeconds=cap)
    assert retry_delay(task, attempt) <= retry_delay(task, attempt + 1)
    assert not cap or retry_delay(task, attempt) <= cap


def test_the_shipped_paths_are_known() -> None:
    """The longest paths of the shipped workflows, in seconds, as the guide of their time limits."""
    definitions = load()
    paths = {name: longest_path(definitions, workflow) for (name, _), workflow in definitions.workflows.items()}
    assert paths["firmware-build"] == 3380
    assert paths["deployment-rollback-handler"] == 1920
    assert paths["device-deployment"] == 5540
    assert paths["firmware-ci-cd-pipeline"] == 3600 + 7200


def test_a_child_that_many_start_is_measured_once() -> None:
    """Each of forty levels starts the next twice: 2^40 ways, and the reckoning is done at once."""
    last = a_workflow(a_use("quick"), name="w40", timeoutSeconds=None)
    levels = [
        a_workflow(a_child(f"w{n + 1}", "one"), a_child(f"w{n + 1}", "two"), name=f"w{n}", timeoutSeconds=None)
        for n in range(40)
    ]
    assert longest_path(defined(QUICK, last, *levels), levels[0]) == 10 * 2**40
