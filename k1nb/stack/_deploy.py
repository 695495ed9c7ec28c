"""The stack as it is wanted: what it would take, done with consent, and proven."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.errors import ConductorError, ConsentError, ServiceError
from k1nb.plan import Plan, Step
from k1nb.stack._jar import Notify, ignore
from k1nb.stack._memory import Memory, secrets_digest
from k1nb.stack._ready import READY, ReadyProbe
from k1nb.stack._rendering import render_service
from k1nb.stack._services import configured, expected
from k1nb.stack._stack import down, up
from k1nb.stack._status import ServiceStatus, check, status
from k1nb.stack._supervisor import ALIVE, Supervisor

_NAME = "stack: as wanted"


@dataclass(frozen=True, slots=True)
class StackFacts:
    """How the stack stands, and what of it is not as the settings and the files want it."""

    services: tuple[ServiceStatus, ...]
    changed: Mapping[str, str] = field(default_factory=dict)
    """Running services that would be started otherwise now, each with why."""
    unwanted: tuple[str, ...] = ()
    """Services that run, but that this installation no longer has."""
    kept: bool = True
    """A supervisord answers, so what runs is not left over."""
    definitions: Plan | None = None
    """What the server lacks; None where it does not answer."""


def observe(settings: Settings) -> StackFacts:
    """Find out how the stack stands and what of it would change; nothing is started, fetched or written."""
    supervisor = Supervisor(settings.paths, settings.timings)
    services = tuple(status(settings))
    kept = supervisor.answers()
    known = supervisor.processes() if kept else {}
    unwanted = tuple(sorted(n for n, p in known.items() if p.state in ALIVE and n not in configured(settings)))
    changed = {s.name: why for s in services if kept and s.state == "running" and (why := _changed(settings, s.name))}
    return StackFacts(services, changed, unwanted, kept, _definitions(settings))


def _changed(settings: Settings, name: str) -> str:
    """Say why a running service would be started otherwise now; nothing where it would not."""
    supervisor = Supervisor(settings.paths, settings.timings)
    if Memory.read(settings).secrets != secrets_digest(settings):
        return "a secret has changed since it was started"
    service = expected(settings, name)
    if service is None:
        return "its jar or its start-up cache must be made first"
    try:
        text = supervisor.file_of(name).read_text(encoding="utf-8")
    except OSError:
        return "its configuration is gone"
    return "" if text == render_service(service, supervisor.log(name)) else "it was started with other settings"


def _definitions(settings: Settings) -> Plan | None:
    from k1nb.conductor import Conductor, load, plan_definitions

    try:
        with Conductor.from_settings(settings) as conductor:
            return plan_definitions(load(), conductor.task_definitions(), conductor.workflow_definitions())
    except ConductorError:
        return None


def plan(facts: StackFacts) -> Plan:
    """Plan what brings the stack to what is wanted; one that is so already needs no step.

    What interrupts something that runs is destructive. Definitions are brought up to date whenever the server starts.
    """
    steps = [step for service in facts.services if (step := _step(service, facts))]
    steps += [Step("stop", name, "it is no longer configured", destructive=True) for name in facts.unwanted]
    steps += facts.definitions.steps if facts.definitions else ()
    seen = {service.name: service.state for service in facts.services}
    lacking = facts.definitions.id if facts.definitions and facts.definitions.steps else None
    return Plan(
        "the stack of the local target", tuple(steps), {"services": seen, "definitions": lacking}, in_notebook=True
    )


def _step(service: ServiceStatus, facts: StackFacts) -> Step | None:
    if service.name in facts.changed:
        return Step("restart", service.name, facts.changed[service.name], destructive=True)
    if service.state in ("running", "starting"):
        return None
    if service.pid:
        return Step("restart", service.name, service.detail or "it has failed", destructive=True)
    why = {"stopped": "it was stopped on purpose", "absent": "it was never started"}
    return Step("start", service.name, why.get(service.state) or service.detail or "it has failed")


def apply(
    settings: Settings, facts: StackFacts, planned: Plan, *, consent: str = "", on_progress: Notify | None = None
) -> tuple[ServiceStatus, ...] | None:
    """Carry out a plan that was consented to; None where nothing is to be done or nobody consented.

    Raises ConsentError where the consent is for another plan, also when the stack has changed since, and whatever
    `up` raises.
    """
    if not planned.steps or not consent:
        return None
    if consent != planned.id or plan(observe(settings)).id != planned.id:
        raise ConsentError(
            f"{consent} is not the plan for {planned.purpose}: what it was made from, or asked with, is not the same",
            hint=f"look at the new plan, then {planned.how_to_apply}",
        )
    notify = on_progress or ignore
    mute = [s.name for s in facts.services if facts.kept and s.state == "failed" and s.pid]
    if mute:
        _wake([s.pid for s in facts.services if s.hung and s.pid])
        down(settings, mute, notify)
    return tuple(up(settings, (), notify))


def _wake(pids: Sequence[int]) -> None:
    """Let suspended processes go on, for they hear no SIGTERM before."""
    for pid in pids:
        with suppress(psutil.Error):
            psutil.Process(pid).send_signal(signal.SIGCONT)


def deployment_checks(
    settings: Settings, facts: StackFacts, planned: Plan, applied: Sequence[ServiceStatus] | None
) -> list[Check]:
    """Judge the stack after a look or an application: each service, what is still planned, and the ready probe.

    What was only planned is a WARN with the plan's id, beside the checks of what has failed.
    """
    if planned.steps and applied is None:
        steps = "; ".join(f"{step.action} {step.subject} ({step.why})" for step in planned.steps)
        hint = f"look at the plan, then {planned.how_to_apply}"
        failed = [check(service) for service in facts.services if service.state == "failed"]
        return [Check(_NAME, Status.WARN, f"planned, not applied: {steps}", hint), *failed]
    left = plan(observe(settings))
    return [*(check(service) for service in status(settings)), _left(left), ready_check(settings)]


def _left(left: Plan) -> Check:
    source = "supervisord, its files, and the server's definitions"
    if not left.steps:
        return Check(_NAME, Status.OK, "every service runs as set, the server has the definitions", source=source)
    steps = "; ".join(f"{step.action} {step.subject} ({step.why})" for step in left.steps)
    return Check(_NAME, Status.FAIL, f"still to be done: {steps}", "plan again; `k1nb status` shows what runs", source)


def ready_check(settings: Settings) -> Check:
    """Prove that the server and our workers work together: an execution of `k1nb-ready` comes back with its nonce."""
    name, timings = "stack: ready", settings.timings
    probe, began = ReadyProbe(settings), time.monotonic()
    try:
        while not probe():
            if time.monotonic() - began > timings.probe_ready:
                probe.give_up()
                why = f"our workers did not complete {READY} within {timings.probe_ready:.0f} s"
                return Check(name, Status.FAIL, why, "see `k1nb logs workers`", READY)
            time.sleep(timings.service_poll)
    except (ConductorError, ServiceError) as error:
        return Check(name, Status.FAIL, error.message, error.hint or "see `k1nb status`, `k1nb logs workers`", READY)
    took = round(time.monotonic() - began, 1)
    seen, values = f"our workers completed it after {took} s", {"execution_seconds": took}
    return Check(name, Status.OK, seen, source=READY, values=values)
