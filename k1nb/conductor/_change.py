"""A change of a server's definitions as an operator asks for it: observe, plan, apply, verify."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k1nb._plain import counted
from k1nb.checks import Check, Status
from k1nb.conductor._client import Conductor
from k1nb.conductor._definitions import Definitions
from k1nb.conductor._diff import Difference, Kind, diff
from k1nb.conductor._finding import Finding
from k1nb.conductor._sync import (
    FAILED,
    UNCHANGED,
    UPDATE_IN_USE,
    Applied,
    carry_out,
    plan_definitions,
    running_uses,
)
from k1nb.config import Settings
from k1nb.errors import ConsentError, DefinitionError
from k1nb.plan import Plan

_NAMED = 5


@dataclass(frozen=True, slots=True)
class DefinitionFacts:
    """What was observed before a change of definitions."""

    definitions: Definitions
    findings: tuple[Finding, ...]
    """What lint finds in them."""
    differences: tuple[Difference, ...]
    in_use: Mapping[str, tuple[str, ...]]
    """Running executions that a changed workflow would reach, by its subject."""
    plan: Plan
    server: str

    def as_dict(self) -> dict[str, Any]:
        """Return the facts as JSON-able data."""
        return {
            "server": self.server,
            "differences": [difference.as_dict() for difference in self.differences],
            "in_use": {subject: list(ids) for subject, ids in self.in_use.items()},
        }


def observe_definitions(
    settings: Settings, definitions: Definitions, findings: Iterable[Finding] = ()
) -> DefinitionFacts:
    """Find out what a server has of these definitions, and what it would take to bring it to them.

    `findings` are what lint says of them. Raises ConductorError where the server cannot be asked.
    """
    with Conductor.from_settings(settings) as conductor:
        tasks, workflows = conductor.task_definitions(), conductor.workflow_definitions()
        differences = diff(definitions, tasks, workflows)
        in_use = running_uses(conductor, differences, workflows)
    plan = plan_definitions(definitions, tasks, workflows, in_use)
    return DefinitionFacts(
        definitions, tuple(findings), tuple(differences), in_use, plan, settings.conductor_server_url
    )


def change_definitions(
    settings: Settings,
    facts: DefinitionFacts,
    *,
    consent: str = "",
    over_running: bool = False,
    on_item: Callable[[Applied], None] | None = None,
) -> list[Applied]:
    """Carry out what was planned and return what became of each definition, unchanged ones included.

    Raises ConsentError where something is overwritten without the plan's id, where running executions would see it
    change and `over_running` does not say that they may, and where the server has changed since; DefinitionError where
    lint has found something in what would be registered. Then nothing is changed.
    """
    plan = facts.plan
    _require_consent(plan, consent)
    _require_sound(facts)
    if not over_running:
        _require_unused(facts)
    if plan.steps and observe_definitions(settings, facts.definitions).plan.id != plan.id:
        raise ConsentError("the server or what runs there has changed since the plan was made", hint="plan again")
    with Conductor.from_settings(settings) as conductor:
        report = carry_out(conductor, facts.definitions, plan, on_item)
    return [*report, *_unchanged(facts)]


def _require_consent(plan: Plan, consent: str) -> None:
    """Refuse to overwrite without the plan's id, and consent to another plan whatever this one does."""
    plan.require(consent)
    if plan.steps and consent not in ("", plan.id):
        raise ConsentError(
            f"{consent} is not the plan for {plan.purpose}: what it was made from, or asked with, is not the same",
            hint=f"look at the new plan, then {plan.how_to_apply}",
        )


def _require_sound(facts: DefinitionFacts) -> None:
    planned = {step.subject for step in facts.plan.steps}
    found = [
        f"{finding.where}: {finding.code} {finding.text}" for finding in facts.findings if finding.subject in planned
    ]
    if found:
        raise DefinitionError(
            f"not applied, for lint finds: {_some(found)}", hint="`k1nb definitions lint` says the mend"
        )


def _require_unused(facts: DefinitionFacts) -> None:
    steps = [step for step in facts.plan.steps if step.action == UPDATE_IN_USE]
    if steps:
        raise ConsentError(
            f"not applied: {_some(f'{step.subject}: {step.why}' for step in steps)}",
            hint="give it the new version there and in what starts it, wait until the executions have ended "
            "(`k1nb executions list`), or consent with --over-running, in Jupyter over_running = True",
        )


def _unchanged(facts: DefinitionFacts) -> list[Applied]:
    differs = {difference.subject for difference in facts.differences if difference.kind is not Kind.ONLY_ON_SERVER}
    return [Applied("none", subject, UNCHANGED) for subject in facts.definitions.subjects() if subject not in differs]


def definition_checks(facts: DefinitionFacts, before: Plan, report: Iterable[Applied] | None) -> list[Check]:
    """Answer what a change of definitions has to show, from what was observed after it.

    `before` is what was planned, `report` what was done; None where nothing was.
    """
    return [_lint_check(facts), _server_check(facts, before, report), _version_check(facts, report)]


def _lint_check(facts: DefinitionFacts) -> Check:
    name = "definitions: lint"
    if facts.findings:
        some = _some(f"{f.where}: {f.code} {f.text}" for f in facts.findings)
        seen = f"{counted(len(facts.findings), 'finding')}: {some}"
        return Check(name, Status.FAIL, seen, "mend them; `k1nb definitions lint` says how", "files")
    count = f"{len(facts.definitions.workflows)} workflows and {len(facts.definitions.tasks)} task definitions"
    return Check(name, Status.OK, f"{count} break no rule", source="files")


def _server_check(facts: DefinitionFacts, before: Plan, report: Iterable[Applied] | None) -> Check:
    name, left = "definitions: on the server", facts.plan.steps
    failed = [f"{item.subject}: {item.words}" for item in report or () if item.status == FAILED]
    if failed:
        hint = "mend what the server says; the others are applied, and a new plan has only these"
        return Check(name, Status.FAIL, f"refused: {_some(failed)}", hint, facts.server)
    if not left:
        seen = f"all {len(facts.definitions.subjects())} are as in the files"
        done = f", {len(before.steps)} of them by this" if report is not None and before.steps else ""
        return Check(name, Status.OK, seen + done, source=facts.server)
    seen = _some(f"{step.action} {step.subject} ({step.why})" for step in left)
    if report is not None:
        hint = "somebody else changes definitions on this server; find out who, then plan again"
        return Check(name, Status.FAIL, f"still different after applying: {seen}", hint, facts.server)
    return Check(name, Status.WARN, f"planned, not applied: {seen}", f"look at the plan, then {before.how_to_apply}")


def _version_check(facts: DefinitionFacts, report: Iterable[Applied] | None) -> Check:
    name, source = "definitions: versions", f"{facts.server}/workflow/running"
    if facts.in_use and report is None:
        seen = _some(f"{subject} changes under {len(ids)} running executions" for subject, ids in facts.in_use.items())
        hint = "give it a new version, or wait until they have ended; over_running = True changes it all the same"
        return Check(name, Status.WARN, seen, hint, source)
    return Check(name, Status.OK, "no running execution would see its definition change", source=source)


def _some(items: Iterable[str]) -> str:
    named = list(items)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return "; ".join(named[:_NAMED]) + more
