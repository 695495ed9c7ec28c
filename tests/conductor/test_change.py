"""A change of definitions as an operator asks for it, on the session's real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from k1nb.checks import Status, Verdict, verdict
from k1nb.conductor import (
    Applied,
    Conductor,
    DefinitionFacts,
    Definitions,
    Finding,
    change_definitions,
    definition_checks,
    lint,
    observe_definitions,
)
from k1nb.config import Settings
from k1nb.errors import ConductorUnreachable, ConsentError, DefinitionError
from tests.conductor.builders import a_task, a_use, a_workflow, defined, unique
from tests.conductor.hand import forget


@pytest.fixture
def there(conductor_url: str, settings: Settings) -> Settings:
    """Return the settings of somebody who uses the session's Conductor."""
    return settings.model_copy(update={"conductor_server_url": conductor_url})


@pytest.fixture
def definitions(conductor_url: str) -> Iterator[Definitions]:
    """Return a task and a workflow of it, which no server has; delete them afterwards."""
    name = unique("mine_")
    workflow = a_workflow(a_use(name), name=unique("mine-"))
    mine = defined(a_task(name), workflow)
    yield mine
    forget(conductor_url, mine)


def _changed(definitions: Definitions) -> Definitions:
    """Return the workflow with another time limit."""
    ((key, workflow),) = definitions.workflows.items()
    return Definitions(definitions.tasks, {key: {**workflow, "timeoutSeconds": 3601}})


@pytest.fixture
def running(there: Settings, definitions: Definitions, conductor: Conductor) -> Iterator[str]:
    """Register the definitions and return an execution of the workflow that runs; end it."""
    change_definitions(there, observe_definitions(there, definitions))
    execution = conductor.start(next(iter(definitions.workflows))[0], {})
    yield execution
    conductor.terminate(execution, "the test is over")


def _statuses(report: list[Applied]) -> list[str]:
    return sorted(item.status for item in report)


def _checks(facts: DefinitionFacts, before: DefinitionFacts, report: list[Applied] | None) -> dict[str, Status]:
    return {c.name.removeprefix("definitions: "): c.status for c in definition_checks(facts, before.plan, report)}


def test_what_is_new_needs_no_consent_and_a_second_run_plans_nothing(there: Settings, definitions: Definitions) -> None:
    """New definitions are applied, each reported; then everything is unchanged."""
    facts = observe_definitions(there, definitions, lint(definitions))
    assert facts.findings == ()
    assert _statuses(change_definitions(there, facts)) == ["applied", "applied"]
    again = observe_definitions(there, definitions)
    assert again.plan.steps == ()
    assert _statuses(change_definitions(there, again)) == ["unchanged", "unchanged"]


def test_overwriting_wants_the_plans_id(there: Settings, definitions: Definitions) -> None:
    """What the server has otherwise is replaced by the plan's id alone, and refused without it or by another's."""
    change_definitions(there, observe_definitions(there, definitions))
    facts = observe_definitions(there, _changed(definitions))
    for consent in ("", "plan-0123456789ab"):
        with pytest.raises(ConsentError):
            change_definitions(there, facts, consent=consent)
    told: list[Applied] = []
    report = change_definitions(there, facts, consent=facts.plan.id, on_item=told.append)
    assert _statuses(report) == ["applied", "unchanged"]
    assert [item.subject for item in told] == [step.subject for step in facts.plan.steps]


def test_a_server_that_has_changed_since_is_left_alone(
    there: Settings, definitions: Definitions, conductor: Conductor
) -> None:
    """Consent to a plan is no consent to what the server has become."""
    change_definitions(there, observe_definitions(there, definitions))
    facts = observe_definitions(there, _changed(definitions))
    (workflow,) = definitions.workflows.values()
    conductor.put_workflow_definition({**workflow, "timeoutSeconds": 3602})
    with pytest.raises(ConsentError, match="has changed since"):
        change_definitions(there, facts, consent=facts.plan.id)
    assert observe_definitions(there, _changed(definitions)).plan.steps[0].why.endswith("3602 → 3601")


def test_a_change_under_running_executions_is_refused(there: Settings, definitions: Definitions, running: str) -> None:
    """Where an execution runs, a new version is asked for; the plan's id alone does not do, over_running does."""
    changed = _changed(definitions)
    facts = observe_definitions(there, changed)
    (subject,) = facts.in_use
    assert facts.in_use[subject] == (running,)
    with pytest.raises(ConsentError, match="give it version 2") as refusal:
        change_definitions(there, facts, consent=facts.plan.id)
    assert "--over-running" in str(refusal.value.hint)
    assert _checks(facts, facts, None)["versions"] is Status.WARN
    report = change_definitions(there, facts, consent=facts.plan.id, over_running=True)
    assert _statuses(report) == ["applied", "unchanged"]
    after = observe_definitions(there, changed)
    assert set(_checks(after, facts, report).values()) == {Status.OK}


def test_a_new_version_is_no_change_of_the_old_one(there: Settings, definitions: Definitions, running: str) -> None:
    """Under its next version the same change is created beside what runs, without any consent."""
    ((name, _), workflow), *_ = _changed(definitions).workflows.items()
    bumped = Definitions(definitions.tasks, {(name, 2): {**workflow, "version": 2}})
    facts = observe_definitions(there, bumped)
    assert [step.action for step in facts.plan.steps] == ["create"]
    assert _statuses(change_definitions(there, facts)) == ["applied", "unchanged"]
    assert running


def test_what_lint_finds_is_not_applied(there: Settings, definitions: Definitions) -> None:
    """A finding in what would be registered stops everything; one in what stays as it is stops nothing."""
    workflow = next(iter(definitions.workflows))[0]
    finding = Finding("R7", f"workflow {workflow} v1: somewhere", "it is bad", "mend it")
    facts = observe_definitions(there, definitions, [finding])
    with pytest.raises(DefinitionError, match="R7 it is bad"):
        change_definitions(there, facts)
    assert len(observe_definitions(there, definitions).plan.steps) == 2
    elsewhere = replace(facts, findings=(replace(finding, where="workflow other v1"),))
    assert _statuses(change_definitions(there, elsewhere)) == ["applied", "applied"]


def test_what_the_server_refuses_is_reported_and_fails_the_check(there: Settings) -> None:
    """A refusal is reported in the server's words, beside what was applied, and the check says FAIL."""
    definitions = defined(a_task(unique("good_")), a_task(unique("bad_"), responseTimeoutSeconds=90))
    facts = observe_definitions(there, definitions)
    report = change_definitions(there, facts)
    assert _statuses(report) == ["applied", "failed"]
    after = observe_definitions(there, definitions)
    (check,) = [c for c in definition_checks(after, facts.plan, report) if c.name == "definitions: on the server"]
    assert check.status is Status.FAIL
    assert "must be less than timeoutSeconds" in check.evidence


def test_the_checks_tell_planned_done_and_spoiled_apart(there: Settings, definitions: Definitions) -> None:
    """A plan is WARN, what was applied OK, what differs again afterwards FAIL, and findings FAIL."""
    before = observe_definitions(there, definitions)
    assert _checks(before, before, None) == {"lint": Status.OK, "on the server": Status.WARN, "versions": Status.OK}
    (hint,) = [c.hint for c in definition_checks(before, before.plan, None) if c.status is Status.WARN]
    assert before.plan.id in str(hint)
    report = change_definitions(there, before)
    after = observe_definitions(there, definitions)
    assert verdict(definition_checks(after, before.plan, report)) is Verdict.OK
    assert _checks(before, before, report)["on the server"] is Status.FAIL
    found = replace(after, findings=(Finding("R7", "workflow x v1", "bad", "mend"),))
    assert _checks(found, before, report)["lint"] is Status.FAIL


def test_a_silent_server_is_an_error(settings: Settings, definitions: Definitions) -> None:
    """Where nobody answers nothing is known, and nothing is planned."""
    with pytest.raises(ConductorUnreachable):
        observe_definitions(settings, definitions)


def test_the_facts_are_json(there: Settings, definitions: Definitions) -> None:
    """A script reads from which server the differences are, and each of them."""
    facts = observe_definitions(there, definitions).as_dict()
    assert facts["server"] == there.conductor_server_url
    ours = [difference for difference in facts["differences"] if difference["kind"] == "added"]
    assert [difference["subject"] for difference in ours] == definitions.subjects()
