"""Bringing a server's definitions to those of the files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k1nb.conductor import Applied, Conductor, Definitions, apply_definitions, diff, load, plan_definitions
from k1nb.conductor._sync import carry_out, running_uses
from k1nb.errors import DefinitionError
from k1nb.plan import Plan, Step
from tests.conductor.builders import a_child, a_switch, a_task, a_use, a_workflow, an_end, defined, renamed, unique
from tests.conductor.hand import Answer, Hand


def _plan(definitions: Definitions, *server: dict[str, Any]) -> list[tuple[str, str]]:
    tasks = [d for d in server if "tasks" not in d]
    workflows = [d for d in server if "tasks" in d]
    return [(step.action, step.subject) for step in plan_definitions(definitions, tasks, workflows).steps]


def test_an_empty_server_gets_everything_in_order() -> None:
    """Tasks come first, then children and failure workflows before those that start them."""
    parent = a_workflow(a_child("zebra"), name="ant", failureWorkflow="yak")
    definitions = defined(parent, a_workflow(name="zebra"), a_workflow(name="yak"), a_task("b"), a_task("a"))
    assert _plan(definitions) == [
        ("create", "task a"),
        ("create", "task b"),
        ("create", "workflow zebra v1"),
        ("create", "workflow yak v1"),
        ("create", "workflow ant v1"),
    ]


def test_what_is_the_same_needs_no_step() -> None:
    """Defaults that the server writes out, its bookkeeping and empty values are no difference."""
    task = a_task(retryCount=0, retryLogic=None, retryDelaySeconds=None)
    there = {**task, "retryLogic": "FIXED", "retryDelaySeconds": 60, "createTime": 5, "inputTemplate": {}}
    workflow = a_workflow(a_use())
    written = {**a_use(), "optional": False, "decisionCases": {}, "defaultCase": [], "startDelay": 0}
    assert _plan(defined(task, workflow), there, a_workflow(written, restartable=True, updateTime=7)) == []


@pytest.mark.parametrize(
    ("there", "why"),
    [
        (a_task(timeoutSeconds=61), "timeoutSeconds"),
        (a_task(concurrentExecLimit=1), "concurrentExecLimit"),
        (a_task(outputKeys=["image", "more"]), "outputKeys"),
        (a_task(description="by hand"), "description"),
    ],
)
def test_a_task_that_differs_is_updated(there: dict[str, Any], why: str) -> None:
    """A value that differs is a step that names the key, a key that only the server has included."""
    plan = plan_definitions(defined(a_task()), [there], [])
    assert [(step.action, step.subject) for step in plan.steps] == [("update", "task compile")]
    assert why in plan.steps[0].why


@pytest.mark.parametrize(
    "changed",
    [
        a_workflow(a_use(optional=True)),
        a_workflow(a_use(inputParameters={"repo": "x"})),
        a_workflow(a_use(), a_use("compile", "again")),
        a_workflow(a_use(), failureWorkflow="child"),
        a_workflow(a_use(), timeoutPolicy="ALERT_ONLY"),
        a_workflow(a_use(), restartable=False),
    ],
)
def test_a_workflow_that_differs_is_updated(changed: dict[str, Any]) -> None:
    """A change anywhere in a workflow is a step, in both directions."""
    plain = a_workflow(a_use())
    assert _plan(defined(plain), changed) == [("update", "workflow build v1")]
    assert _plan(defined(changed), plain) == [("update", "workflow build v1")]


def test_a_change_deep_in_a_branch_is_found() -> None:
    """What lies inside cases, forks and loops is compared too."""

    def around(use: dict[str, Any]) -> dict[str, Any]:
        fork = a_use("fork", type="FORK_JOIN", forkTasks=[[use]])
        loop = a_use("loop", type="DO_WHILE", loopOver=[fork])
        return a_workflow(a_switch(cases={"x": [], "y": [loop]}))

    assert _plan(defined(around(a_use())), around({**a_use(), "startDelay": 0})) == []
    assert _plan(defined(around(a_use())), around(a_use(startDelay=1))) == [("update", "workflow build v1")]


def test_an_empty_case_is_not_no_case() -> None:
    """A case that runs nothing differs from a case that is not there, which runs the default."""
    some, none = a_workflow(a_switch(cases={"x": []})), a_workflow(a_switch(cases={}))
    assert _plan(defined(some), none) == [("update", "workflow build v1")]


def test_another_version_is_another_workflow() -> None:
    """A new version is created beside the old one."""
    assert _plan(defined(a_workflow(version=2)), a_workflow()) == [("create", "workflow build v2")]


def test_what_only_the_server_has_is_left_alone() -> None:
    """Other people's definitions are none of our business."""
    assert _plan(defined(a_task()), a_task(), a_task("theirs"), a_workflow(name="theirs")) == []


def test_the_plan_changes_with_the_server() -> None:
    """A plan is another plan once the server's definition has changed."""
    one, two = (plan_definitions(defined(a_task()), [a_task(timeoutSeconds=n)], []) for n in (61, 62))
    assert [step.subject for step in one.steps] == [step.subject for step in two.steps]
    assert one.id != two.id


def test_the_plan_changes_with_the_files() -> None:
    """A plan is another plan once what would be registered has changed, however long it is."""
    long = "x" * 500
    one, two = (plan_definitions(defined(a_task(description=long + end)), [], []) for end in "ab")
    assert one.steps == two.steps
    assert one.id != two.id


def test_only_overwriting_wants_consent() -> None:
    """To create is nobody's loss; to overwrite is destructive, and the step says what changes from what to what."""
    create = plan_definitions(defined(a_task()), [], [])
    update = plan_definitions(defined(a_task()), [a_task(timeoutSeconds=61)], [])
    assert (create.destructive, update.destructive) == (False, True)
    assert update.steps[0].why == "the server's differs: timeoutSeconds: 61 → 60"


def test_a_change_under_running_executions_asks_for_the_next_free_version() -> None:
    """A change that running executions would see is another step, which names the version to give instead."""
    there = [a_workflow(), a_workflow(version=4), a_workflow(name="other", version=9)]
    plan = plan_definitions(defined(a_workflow(timeoutSeconds=9)), [], there, {"workflow build v1": ["e1", "e2"]})
    (step,) = plan.steps
    assert (step.action, step.destructive) == ("update in use", True)
    assert "running executions would see it change: give it version 5" in step.why
    assert plan.preconditions["running"] == ["workflow build v1"]
    others = plan_definitions(defined(a_workflow(timeoutSeconds=9)), [], there, {"workflow build v1": ["e3"]})
    assert plan.id == others.id, "on a busy server a plan lasts"
    assert plan.id != plan_definitions(defined(a_workflow(timeoutSeconds=9)), [], there).id


@given(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, unique=True), st.randoms(use_true_random=False))
def test_children_always_come_first(names: list[str], random: Any) -> None:
    """Whatever starts whatever, nothing is registered before what it starts, and everything once."""
    workflows = [
        a_workflow(*(a_child(child) for child in random.sample(names[n + 1 :], random.randint(0, len(names) - n - 1))))
        | {"name": name}
        for n, name in enumerate(names)
    ]
    order = [subject.split()[1] for _, subject in _plan(defined(*workflows))]
    assert sorted(order) == sorted(names)
    for workflow in workflows:
        for use in workflow["tasks"]:
            child = use.get("subWorkflowParam", {}).get("name")
            assert child is None or order.index(child) < order.index(workflow["name"])


def test_recursion_ends() -> None:
    """Workflows that start each other are each registered once."""
    one, two = a_workflow(a_child("two"), name="one"), a_workflow(a_child("one"), name="two")
    assert len(_plan(defined(one, two))) == 2


def _server_plan(conductor: Conductor, definitions: Definitions) -> Plan:
    return plan_definitions(definitions, conductor.task_definitions(), conductor.workflow_definitions())


def test_the_shipped_definitions_register_and_stay(conductor: Conductor) -> None:
    """The server takes every shipped definition as it is; once they are there, a second plan is empty."""
    definitions = renamed(load(), unique("x"))
    plan = _server_plan(conductor, definitions)
    assert len(plan.steps) == len(definitions.tasks) + len(definitions.workflows)
    reported: list[Applied] = []
    assert apply_definitions(conductor, definitions, plan, reported.append) == reported
    assert {item.subject for item in reported} == {step.subject for step in plan.steps}
    assert _server_plan(conductor, definitions).steps == ()
    assert apply_definitions(conductor, definitions, _server_plan(conductor, definitions)) == []


def test_unusual_values_make_the_round_trip(conductor: Conductor) -> None:
    """Fractions, texts in any script, deep maps and empty cases come back as they went."""
    name = unique("odd-")
    inputs = {
        "text": 'ü "quoted" ${workflow.input.repo}',
        "number": 0.5,
        "deep": {"list": [1, {"a": False}], "none": {}},
    }
    workflow = a_workflow(
        a_use(f"{name}-task", "first", inputParameters=inputs, optional=True, startDelay=3, retryCount=0),
        a_switch(cases={"x": [], "y": [an_end(status="COMPLETED")]}),
        name=name,
        inputTemplate={"repo": "ü", "limit": 70.5, "deploy": False},
        restartable=False,
    )
    task = a_task(unique("odd_"), maxRetryDelaySeconds=9, backoffJitterMs=5, totalTimeoutSeconds=600)
    definitions = defined(workflow, task)
    apply_definitions(conductor, definitions, _server_plan(conductor, definitions))
    assert _server_plan(conductor, definitions).steps == ()


def test_drift_is_mended(conductor: Conductor) -> None:
    """What somebody changed on the server is found and put back."""
    workflow = a_workflow(a_use(), name=unique("drift-"))
    definitions = defined(workflow)
    apply_definitions(conductor, definitions, _server_plan(conductor, definitions))
    conductor.put_workflow_definition({**workflow, "failureWorkflow": "surprise"})
    plan = _server_plan(conductor, definitions)
    assert [step.why for step in plan.steps] == ['the server\'s differs: failureWorkflow: "surprise" → (nothing)']
    apply_definitions(conductor, definitions, plan)
    assert _server_plan(conductor, definitions).steps == ()


def test_a_refused_definition_keeps_back_no_other(conductor: Conductor) -> None:
    """Each definition is registered by itself; what was refused is named in the server's own words."""
    bad, good = a_task(unique("bad_"), responseTimeoutSeconds=90), a_task(unique("good_"))
    definitions = defined(bad, good)
    with pytest.raises(DefinitionError, match=r"1 of 2 .*bad_.*responseTimeoutSeconds: 90 must be less"):
        apply_definitions(conductor, definitions, _server_plan(conductor, definitions))
    assert [step.subject for step in _server_plan(conductor, definitions).steps] == [f"task {bad['name']}"]


def test_a_plan_for_other_definitions_is_refused(conductor: Conductor) -> None:
    """A plan that names what is not defined is not half applied in silence."""
    plan = Plan("definitions", (Step("create", "task nobody", ""),))
    with pytest.raises(DefinitionError, match="task nobody"):
        apply_definitions(conductor, defined(), plan)


def test_the_report_has_the_servers_words_for_each(conductor: Conductor) -> None:
    """Carried out without raising, each definition is reported as it came out."""
    bad, good = a_task(unique("bad_"), responseTimeoutSeconds=90), a_task(unique("good_"))
    definitions = defined(bad, good)
    report = {item.subject: item for item in carry_out(conductor, definitions, _server_plan(conductor, definitions))}
    assert report[f"task {good['name']}"].status == "applied"
    assert report[f"task {bad['name']}"].as_dict()["status"] == "failed"
    assert "responseTimeoutSeconds: 90 must be less than timeoutSeconds: 60" in report[f"task {bad['name']}"].words


@pytest.fixture
def uses(conductor: Conductor) -> Iterator[tuple[Definitions, list[str]]]:
    """Return a registered workflow and one that starts it, and the execution of each that runs; end them."""
    child = a_workflow(a_use(unique("nobody_")), name=unique("child-"))
    parent = a_workflow(a_use(unique("nobody_")), a_child(child["name"]), name=unique("parent-"))
    definitions = defined(child, parent)
    apply_definitions(conductor, definitions, _server_plan(conductor, definitions))
    executions = [conductor.start(workflow["name"], {}) for workflow in (child, parent)]
    yield definitions, executions
    for execution in executions:
        if not conductor.execution(execution).status.terminal:
            conductor.terminate(execution, "the test is over")


def _uses(conductor: Conductor, definitions: Definitions) -> dict[str, tuple[str, ...]]:
    tasks, workflows = conductor.task_definitions(), conductor.workflow_definitions()
    return running_uses(conductor, diff(definitions, tasks, workflows), workflows)


def test_running_executions_that_would_see_a_change_are_found(
    conductor: Conductor, uses: tuple[Definitions, list[str]]
) -> None:
    """A changed workflow reaches its own running executions and those of what starts it, a paused one included."""
    definitions, executions = uses
    child, parent = definitions.workflows.values()
    assert _uses(conductor, definitions) == {}
    changed = {**child, "timeoutSeconds": 60}
    assert _uses(conductor, defined(changed)) == {f"workflow {child['name']} v1": tuple(sorted(executions))}
    assert _uses(conductor, defined({**parent, "restartable": False})) == {
        f"workflow {parent['name']} v1": (executions[1],)
    }


def test_what_changes_nothing_of_an_execution_reaches_none(
    conductor: Conductor, uses: tuple[Definitions, list[str]]
) -> None:
    """A description is changed under running executions without a new version."""
    child = next(iter(uses[0].workflows.values()))
    assert _uses(conductor, defined({**child, "description": "said otherwise"})) == {}
    assert _uses(conductor, defined({**child, "version": 2})) == {}


def test_a_running_execution_keeps_its_definition_but_not_its_childrens(
    conductor: Conductor, hand: Hand, uses: tuple[Definitions, list[str]]
) -> None:
    """The server's own ways: a change reaches no execution of it that runs, and every child that begins afterwards."""
    child, parent = uses[0].workflows.values()
    first = child["tasks"][0]
    conductor.put_workflow_definition({**child, "tasks": [first, {**first, "taskReferenceName": "more"}]})
    conductor.put_workflow_definition({**parent, "tasks": parent["tasks"][:1]})
    answers: dict[str, Answer] = {use["taskReferenceName"]: ("COMPLETED", {}) for use in (first, parent["tasks"][0])}
    own, above = (hand.finish(execution, {**answers, "more": ("COMPLETED", {})}) for execution in uses[1])
    assert [task["referenceTaskName"] for task in own["tasks"]] == [first["taskReferenceName"]]
    below = hand.look(above["tasks"][1]["subWorkflowId"])
    assert [task["referenceTaskName"] for task in below["tasks"]] == [first["taskReferenceName"], "more"]
