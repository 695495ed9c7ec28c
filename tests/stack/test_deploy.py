"""The stack as it is wanted: planned, applied, proven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psutil
import pytest

from k1nb.checks import Status
from k1nb.config import Settings
from k1nb.errors import ConsentError
from k1nb.plan import Plan, Step
from k1nb.stack import ServiceStatus, StackFacts, apply, deployment_checks, observe, plan, status
from tests.refusals import listing
from tests.stack.conftest import suspended

RUNS = ServiceStatus("conductor", "running", pid=7)
LACKING = Plan("definitions on the server", (Step("create", "task x", "the server does not have it"),))
SAME = Plan("definitions on the server")


@pytest.mark.parametrize(
    ("facts", "steps"),
    [
        (StackFacts((RUNS,), definitions=SAME), []),
        (StackFacts((ServiceStatus("conductor", "starting", pid=7),)), []),
        (StackFacts((ServiceStatus("conductor", "absent"),)), [("start", "conductor", False)]),
        (StackFacts((ServiceStatus("conductor", "stopped"),)), [("start", "conductor", False)]),
        (StackFacts((ServiceStatus("conductor", "failed", detail="it ended"),)), [("start", "conductor", False)]),
        (StackFacts((ServiceStatus("workers", "failed", 7, hung=True),)), [("restart", "workers", True)]),
        (StackFacts((RUNS,), changed={"conductor": "other settings"}), [("restart", "conductor", True)]),
        (StackFacts((RUNS,), unwanted=("simulator",)), [("stop", "simulator", True)]),
        (StackFacts((RUNS,), definitions=LACKING), [("create", "task x", False)]),
    ],
)
def test_the_plan_follows_from_the_facts(facts: StackFacts, steps: list[tuple[str, str, bool]]) -> None:
    """What doesn't run is started, what runs otherwise is restarted, what is no longer wanted is stopped."""
    planned = plan(facts)
    assert [(step.action, step.subject, step.destructive) for step in planned.steps] == steps
    assert all(step.why for step in planned.steps)


def test_another_state_is_another_plan() -> None:
    """The plan's id changes with what was seen, so that consent to an old one is refused."""
    absent = StackFacts((ServiceStatus("conductor", "absent"), ServiceStatus("workers", "absent")))
    started = replace(absent, services=(RUNS, ServiceStatus("workers", "absent")))
    assert plan(absent).id != plan(started).id


def test_looking_makes_nothing(settings: Settings) -> None:
    """Observing and planning without a stack write no file; without consent applying does nothing either."""
    before = listing(settings.home)
    facts = observe(settings)
    planned = plan(facts)
    assert [step.subject for step in planned.steps] == ["conductor", "exporter", "workers"]
    assert apply(settings, facts, planned) is None
    (check,) = deployment_checks(settings, facts, planned, None)
    assert (check.status, planned.id in str(check.hint)) == (Status.WARN, True)
    assert listing(settings.home) == before


def test_a_service_that_has_failed_is_no_mere_plan(settings: Settings) -> None:
    """Beside the WARN of an unapplied plan what has failed keeps its FAIL."""
    facts = StackFacts((ServiceStatus("conductor", "failed", detail="it ended"),))
    checks = deployment_checks(settings, facts, plan(facts), None)
    assert [check.status for check in checks] == [Status.WARN, Status.FAIL]


@pytest.mark.parametrize("change", [{"consent": "plan-0123456789ab"}, {"state": "running"}])
def test_consent_to_another_plan_starts_nothing(settings: Settings, change: dict[str, Any]) -> None:
    """Consent to another plan, or to one whose stack has changed since, is refused."""
    facts = observe(settings)
    if "state" in change:
        facts = replace(facts, services=(replace(facts.services[0], state="running"), *facts.services[1:]))
    planned = plan(facts)
    with pytest.raises(ConsentError):
        apply(settings, facts, planned, consent=change.get("consent", planned.id))
    assert not settings.paths.runtime.exists()


def test_a_running_stack_is_as_wanted(line: Settings) -> None:
    """On the session's stack nothing is planned, and the ready probe comes back."""
    facts = observe(line)
    planned = plan(facts)
    assert planned.steps == ()
    assert apply(line, facts, planned, consent=planned.id) is None
    checks = deployment_checks(line, facts, planned, None)
    assert {check.status for check in checks} == {Status.OK}
    assert [check.name for check in checks][-2:] == ["stack: as wanted", "stack: ready"]


def test_other_settings_are_planned_as_restarts(line: Settings) -> None:
    """A server that was started with another heap is restarted, and only planned to be."""
    (step,) = [
        s for s in plan(observe(line.model_copy(update={"server_heap_mb": 600}))).steps if s.subject == "conductor"
    ]
    assert (step.action, step.destructive, step.why) == ("restart", True, "it was started with other settings")
    assert plan(observe(line)).steps == ()


def test_a_suspended_service_is_brought_back(line: Settings) -> None:
    """What hangs is planned to be restarted; applied with consent, it is another process, and all is as wanted."""
    (simulator,) = [service for service in status(line) if service.name == "simulator"]
    assert simulator.pid
    with suspended(simulator.pid):
        facts = observe(line)
        planned = plan(facts)
        assert [(s.action, s.subject, s.destructive) for s in planned.steps] == [("restart", "simulator", True)]
        applied = apply(line, facts, planned, consent=planned.id)
    assert {service.state for service in applied or ()} == {"running"}
    assert not psutil.pid_exists(simulator.pid)
    assert {check.status for check in deployment_checks(line, facts, planned, applied)} == {Status.OK}
