"""Interventions that destroy: planned purely, applied with consent on a real Conductor server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from k1nb.conductor import (
    Conductor,
    Execution,
    ExecutionStatus,
    Intervention,
    Task,
    TaskStatus,
    Verb,
    intervene,
    plan_intervention,
)
from k1nb.errors import ConductorNotFound, ConsentError, UsageError
from tests.conductor.builders import a_task, a_use, a_workflow, unique
from tests.conductor.hand import Answer, Hand

DONE: Answer = ("COMPLETED", {})
BEGUN = datetime(2026, 1, 2, tzinfo=UTC)
TERMINATE = Intervention(Verb.TERMINATE, reason="wrong commit")


def an_execution(status: ExecutionStatus, *tasks: tuple[str, TaskStatus], name: str = "e1") -> Execution:
    """Return an execution with tasks of these states."""
    made = tuple(Task(f"{ref}-{n}", ref, ref, "SIMPLE", state) for n, (ref, state) in enumerate(tasks))
    return Execution(name, "build", 1, status, tasks=made)


def test_a_termination_says_what_it_cuts() -> None:
    """The plan is destructive and names the task that is running and the reason; what has ended is no step."""
    running = an_execution(ExecutionStatus.RUNNING, ("flash", TaskStatus.IN_PROGRESS))
    ended = an_execution(ExecutionStatus.FAILED, name="e2")
    plan = plan_intervention(TERMINATE, [running, ended])
    (step,) = plan.steps
    assert (step.action, step.subject, step.destructive) == ("terminate", "build e1", True)
    assert "flash IN_PROGRESS" in step.why
    assert "wrong commit" in step.why
    assert not plan_intervention(TERMINATE, [ended]).steps


def test_a_plan_is_another_once_the_execution_has_moved() -> None:
    """Another task, state, reason or input makes another plan; the same facts make the same one."""
    at_one = an_execution(ExecutionStatus.RUNNING, ("one", TaskStatus.IN_PROGRESS))
    at_two = an_execution(ExecutionStatus.RUNNING, ("one", TaskStatus.COMPLETED), ("two", TaskStatus.SCHEDULED))
    ended = an_execution(ExecutionStatus.FAILED, ("one", TaskStatus.FAILED))
    plans = [
        plan_intervention(TERMINATE, [at_one]),
        plan_intervention(TERMINATE, [at_two]),
        plan_intervention(Intervention(Verb.TERMINATE, reason="other"), [at_one]),
        plan_intervention(Intervention(Verb.RESTART), [ended]),
        plan_intervention(Intervention(Verb.RESTART, newest_definition=True), [ended]),
        plan_intervention(Intervention(Verb.RERUN), [ended]),
        plan_intervention(Intervention(Verb.RERUN, input={"a": 1}), [ended]),
    ]
    assert len({plan.id for plan in plans}) == len(plans)
    assert plan_intervention(TERMINATE, [at_one]).id == plans[0].id


@pytest.mark.parametrize("verb", Verb)
def test_consent_is_to_one_run_of_an_execution(verb: Verb) -> None:
    """An execution that was begun again, and stands as it did before, makes another plan: no consent serves twice."""
    status = ExecutionStatus.RUNNING if verb is Verb.TERMINATE else ExecutionStatus.FAILED
    first = replace(an_execution(status, ("one", TaskStatus.FAILED)), started_at=BEGUN, ended_at=BEGUN)
    again = [replace(first, started_at=BEGUN + timedelta(seconds=9)), replace(first, ended_at=BEGUN + timedelta(9))]
    plans = {plan_intervention(Intervention(verb), [one]).id for one in (first, replace(first), *again)}
    assert len(plans) == 3


@pytest.mark.parametrize("verb", [Verb.RESTART, Verb.RERUN])
def test_what_runs_cannot_begin_again(verb: Verb) -> None:
    """A restart or rerun of a running execution is refused before anything is planned."""
    with pytest.raises(UsageError, match="RUNNING"):
        plan_intervention(Intervention(verb), [an_execution(ExecutionStatus.RUNNING)])


def test_a_rerun_over_earlier_failures_is_not_planned() -> None:
    """A rerun from a task is refused where failed attempts come before it, and where there is no such task."""
    execution = an_execution(
        ExecutionStatus.FAILED, ("one", TaskStatus.FAILED), ("one", TaskStatus.COMPLETED), ("two", TaskStatus.FAILED)
    )
    for reference in ("two", "three"):
        with pytest.raises(UsageError):
            plan_intervention(Intervention(Verb.RERUN, reference=reference), [execution])
    assert plan_intervention(
        Intervention(Verb.RERUN, reference="one"), [an_execution(ExecutionStatus.FAILED, ("one", TaskStatus.FAILED))]
    ).steps


@pytest.fixture
def workflow(conductor: Conductor) -> str:
    """The name of a fresh workflow of one task, called `compile` in it."""
    name = unique("intervene-")
    conductor.put_task_definitions([a_task(task := name.replace("-", "_"), retryCount=0)])
    conductor.put_workflow_definition(a_workflow(a_use(task, "compile"), name=name))
    return name


def test_nothing_is_done_without_consent(conductor: Conductor, workflow: str) -> None:
    """Without consent there is a plan and nothing else; with another plan's id there is an error and nothing else."""
    execution = conductor.start(workflow, {})
    planned = intervene(conductor, TERMINATE, [execution])
    assert (planned.refused, planned.done) == (None, ())
    assert planned.as_dict()["applied"] is False
    with pytest.raises(ConsentError, match="plan-000000000000"):
        intervene(conductor, TERMINATE, [execution], consent="plan-000000000000")
    assert conductor.execution(execution).status is ExecutionStatus.RUNNING


def test_consent_is_to_what_was_shown(conductor: Conductor, workflow: str, hand: Hand) -> None:
    """The plan's id does it once; when the execution has moved since, it does nothing."""
    first, second = conductor.start(workflow, {}), conductor.start(workflow, {})
    plan = intervene(conductor, TERMINATE, [first, second]).plan
    hand.finish(second, {"compile": DONE})
    with pytest.raises(ConsentError):
        intervene(conductor, TERMINATE, [first, second], consent=plan.id)
    assert conductor.execution(first).status is ExecutionStatus.RUNNING
    plan = intervene(conductor, TERMINATE, [first, second]).plan
    done = intervene(conductor, TERMINATE, [first, second], consent=plan.id)
    assert [(one.id, one.status, one.reason) for one in done.done] == [
        (first, ExecutionStatus.TERMINATED, "wrong commit")
    ]
    assert done.refused == {}
    assert not intervene(conductor, TERMINATE, [first, second]).plan.steps


@pytest.mark.parametrize(
    "wanted", [Intervention(Verb.RESTART), Intervention(Verb.RERUN), Intervention(Verb.RERUN, reference="compile")]
)
def test_an_ended_execution_begins_again(conductor: Conductor, workflow: str, hand: Hand, wanted: Intervention) -> None:
    """With consent a restart and a rerun begin an ended execution again, and only once."""
    execution = conductor.start(workflow, {})
    hand.finish(execution, {"compile": DONE})
    plan = intervene(conductor, wanted, [execution]).plan
    (begun,) = intervene(conductor, wanted, [execution], consent=plan.id).done
    assert begun.status is ExecutionStatus.RUNNING
    hand.finish(execution, {"compile": DONE})
    with pytest.raises(ConsentError):
        intervene(conductor, wanted, [execution], consent=plan.id)


def test_an_unknown_execution_is_not_found(conductor: Conductor, workflow: str) -> None:
    """One unknown id keeps everything back."""
    execution = conductor.start(workflow, {})
    with pytest.raises(ConductorNotFound, match="nobody"):
        intervene(conductor, TERMINATE, [execution, "nobody"])
