"""The command that takes a device back to its last good firmware."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb.cli import _complete, _consent, _outcome, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from datetime import timedelta

    from k1nb.config import Settings
    from k1nb.delivery.rollback import Rollback, RollbackFacts
    from k1nb.plan import Plan


def register(app: typer.Typer) -> None:
    """Add `rollback` to the root."""
    app.command()(rollback)


def rollback(
    device: Annotated[
        str, typer.Argument(help="Name, MAC or address of the device.", autocompletion=_complete.devices)
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ARTIFACT",
            help="Another artifact than the last good one.",
            autocompletion=_complete.artifacts,
        ),
    ] = "",
    direct: Annotated[bool, typer.Option("--direct", help="Without Conductor, in this process.")] = False,
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Take a device back to the last artifact proven healthy on it; without --apply only show the plan.

    It goes on at the server (but for --direct), whatever becomes of this command; the same words join it again. It
    leaves no record: `k1nb run firmware_rollback` is the same with one. Exit code 0 for a plan, for nothing to do and
    for a device that is back; 1 otherwise.
    """
    from k1nb.delivery import rollback as operations

    settings = _output.settings()
    facts = operations.observe(settings, device=device, to=to)
    plan = operations.plan(facts)
    if not json:
        _show_plan(facts, plan)
    done = _apply(settings, facts, plan, consent=apply, direct=direct)
    if json:
        _output.data(_as_dict(facts, plan, done))
    elif done is not None:
        _show_result(facts, done)
    elif plan.steps:
        _output.note(f"nothing was changed; {_consent.how_to_apply(plan)}")
    sys.exit(0 if done is None or done.good else 1)


def _apply(settings: Settings, facts: RollbackFacts, plan: Plan, *, consent: str, direct: bool) -> Rollback | None:
    from k1nb.delivery import rollback as operations

    if not direct or not consent:
        with _outcome.telling("rollback") as told:
            return operations.apply(settings, facts, plan, consent=consent, direct=direct, follower=told)
    try:
        with _output.progress(f"flash {facts.device.name}") as advance:
            return operations.apply(settings, facts, plan, consent=consent, direct=True, on_progress=advance)
    except KeyboardInterrupt:
        hint = f"k1nb device info {facts.device.name}; then plan again"
        _output.fail("interrupted; without Conductor nothing goes on, whatever the device has taken by now", hint, 130)


def _show_plan(facts: RollbackFacts, plan: Plan) -> None:
    from k1nb import show

    console = _output.console()
    show.print_plan(console, plan)
    if not plan.steps:
        console.print(f"  {facts.chosen.why}; {facts.runs.how}", markup=False)
    runs, target = facts.ages
    console.print(f"  it runs {_short(facts.runs.artifact_id)}, {_aged(runs)}", markup=False)
    console.print(f"  it goes to {_short(facts.target.id)}, {_aged(target)}", markup=False)


def _short(artifact_id: str | None) -> str:
    return artifact_id[:12] if artifact_id else "something unknown"


def _aged(age: timedelta | None) -> str:
    """Say how long ago the device accepted an artifact, to the second."""
    return f"accepted {str(age).partition('.')[0]} ago" if age is not None else "never accepted by it"


def _show_result(facts: RollbackFacts, done: Rollback) -> None:
    from k1nb.delivery.rollback import serial_recovery
    from k1nb.firmware import Outcome

    _outcome.show(done.outcome, done.grade, done.evidence, done.execution_id)
    if done.outcome is Outcome.needs_usb:
        console = _output.console()
        console.print("by cable:")
        for line in serial_recovery(facts):
            console.print(f"  {line}", markup=False, soft_wrap=True)


def _as_dict(facts: RollbackFacts, plan: Plan, done: Rollback | None) -> dict[str, Any]:
    from k1nb.delivery.rollback import serial_recovery
    from k1nb.firmware import Outcome

    usb = done is not None and done.outcome is Outcome.needs_usb
    runs, target = facts.ages
    return {
        "device": {"name": facts.device.name, "mac": facts.device.mac, "role": facts.device.role},
        "from": facts.runs.artifact_id,
        "from_age_seconds": runs and runs.total_seconds(),
        "to": facts.target.id,
        "to_age_seconds": target and target.total_seconds(),
        "why": facts.chosen.why,
        "plan": plan.as_dict(),
        "result": done and done.as_dict(),
        "serial_recovery": serial_recovery(facts) if usb else [],
    }
