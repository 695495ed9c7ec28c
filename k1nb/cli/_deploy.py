"""The command that brings a commit onto a device."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb.cli import _complete, _consent, _outcome, _output
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.delivery import Delivery, DeliveryFacts
    from k1nb.plan import Plan


def register(app: typer.Typer) -> None:
    """Add `deploy` to the root."""
    app.command()(deploy)


def deploy(
    device: Annotated[
        str, typer.Argument(help="Name, MAC or address of the device.", autocompletion=_complete.devices)
    ],
    commit: Annotated[str, typer.Argument(help="Commit to build: 7 to 40 hex digits.")],
    repo: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Git repository, as in the settings.",
            autocompletion=_complete.repositories,
        ),
    ] = "K1.node1",
    branch: Annotated[str, typer.Option(metavar="NAME", help="Branch that the commit must be on.")] = "main",
    environment: Annotated[str, typer.Option(metavar="NAME", help="PlatformIO environment.")] = "esp32-s3-devkitc-1",
    apply: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    json: Json = False,
) -> None:
    """Build a commit, send it to a device and prove that it runs there; without --apply only show the plan.

    It goes on at the server, whatever becomes of this command; the same words join it again. It leaves no record:
    `k1nb run firmware_deploy` is the same with one. Exit code 0 for a plan, for nothing to do and for a device that is
    proven healthy with the commit; 1 otherwise.
    """
    from k1nb import delivery

    settings = _output.settings()
    facts = delivery.observe(
        settings, repo=repo, branch=branch, commit_sha=commit, environment=environment, device=device
    )
    plan = delivery.plan(facts)
    if not json:
        _show_plan(facts, plan)
    with _outcome.telling("delivery") as told:
        done = delivery.apply(settings, facts, plan, consent=apply, follower=told)
    if json:
        _output.data(_as_dict(facts, plan, done))
    elif done is not None:
        _outcome.show(done.outcome, done.grade, done.evidence, done.execution.id)
    elif plan.steps:
        _output.note(f"nothing was changed; {_consent.how_to_apply(plan)}")
    sys.exit(0 if done is None or done.good else 1)


def _show_plan(facts: DeliveryFacts, plan: Plan) -> None:
    from k1nb import show

    console = _output.console()
    show.print_plan(console, plan)
    if not plan.steps and facts.current:
        proof = "; ".join(facts.current.evidence[-1:])
        console.print(f"  it runs it already, grade {facts.current.grade.name}: {proof}", markup=False)


def _as_dict(facts: DeliveryFacts, plan: Plan, done: Delivery | None) -> dict[str, Any]:
    return {
        "device": {"name": facts.device.name, "mac": facts.device.mac, "role": facts.device.role},
        "runs": facts.current and facts.current.artifact_id,
        "repo": facts.repository.name,
        "branch": facts.branch,
        "commit": facts.commit.sha,
        "subject": facts.commit.subject,
        "environment": facts.environment,
        "plan": plan.as_dict(),
        "result": done and done.as_dict(),
    }
