"""Commands for fleet rollouts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from k1nb.cli import _complete, _consent, _output
from k1nb.cli._device import Role
from k1nb.cli._output import Json

if TYPE_CHECKING:
    from k1nb.conductor import Conductor
    from k1nb.config import Settings
    from k1nb.delivery.rollout import Policy, Progress, Rollout, RolloutFacts
    from k1nb.plan import Plan

Artifact = Annotated[
    str,
    typer.Argument(
        help="Id of the artifact, or its first 8 digits; see `k1nb artifacts list`.", autocompletion=_complete.artifacts
    ),
]
Devices = Annotated[
    list[str] | None,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Only this device; may be repeated. Without it, all of the inventory.",
        autocompletion=_complete.devices,
    ),
]
Roles = Annotated[Role | None, typer.Option(help="Only devices of this role.")]
Waves = Annotated[
    str, typer.Option(help="Sizes of the waves, as numbers or shares of all; what is left over is one more wave.")
]
Canary = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Device of the first wave, in place of its size; may be repeated.",
        autocompletion=_complete.devices,
    ),
]
Success = Annotated[float, typer.Option(help="Percent of a wave's devices that are to run it before the next wave.")]
Errors = Annotated[float, typer.Option(help="Percent of a wave's devices that may fail; beyond that it stops.")]
Sample = Annotated[int, typer.Option(help="Results of a wave that are wanted before it is judged.")]
Soak = Annotated[float, typer.Option(metavar="SECONDS", help="From a wave's last result until its gate may open.")]
Approval = Annotated[bool, typer.Option("--approval", help="Ask a person before each further wave.")]
PickUp = Annotated[str, typer.Option(metavar="CRON", help="When pending devices are tried again; six fields.")]
GiveUp = Annotated[float, typer.Option(metavar="DAYS", help="After which pending devices are not tried any more.")]
Id = Annotated[str, typer.Argument(metavar="[ROLLOUT]", help="Id of the rollout, plan-…; else the only open one.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Until it has ended or waits for a person.")]


def group(app: typer.Typer) -> typer.Typer:
    """Add the commands to their group."""
    for command in (plan, apply, status, pause, resume, abort):
        app.command()(command)
    return app


def plan(
    artifact: Artifact,
    device: Devices = None,
    role: Roles = None,
    waves: Waves = "1, 10%, 30%",
    canary: Canary = None,
    success: Success = 50.0,
    errors: Errors = 10.0,
    sample: Sample = 1,
    soak: Soak = 300.0,
    approval: Approval = False,
    pick_up: PickUp = "0 0/30 * * * ?",
    give_up: GiveUp = 7.0,
    json: Json = False,
) -> None:
    """Show which devices would get an artifact in which waves; nothing is changed.

    What the plan is made from is observed again when it is applied, with the same words: k1nb rollout apply.
    """
    settings = _output.settings()
    policy = _policy(settings, waves, canary, success, errors, sample, soak, approval, pick_up, give_up)
    facts, rollout, planned = _plan(settings, artifact, device, role, policy)
    if json:
        _output.data(_planned(facts, rollout, planned))
        return
    _show_plan(facts, rollout, planned)
    if planned.steps:
        _output.note(f"nothing was changed; {_consent.how_to_apply(planned, command='rollout apply')}")


def apply(
    artifact: Artifact,
    device: Devices = None,
    role: Roles = None,
    waves: Waves = "1, 10%, 30%",
    canary: Canary = None,
    success: Success = 50.0,
    errors: Errors = 10.0,
    sample: Sample = 1,
    soak: Soak = 300.0,
    approval: Approval = False,
    pick_up: PickUp = "0 0/30 * * * ?",
    give_up: GiveUp = 7.0,
    consent: Annotated[str, typer.Option("--apply", metavar="plan-…", help="Plan that is consented to.")] = "",
    follow: Follow = False,
    json: Json = False,
) -> None:
    """Start the rollout that was planned with the same words, or join it; without --apply only show the plan.

    It goes on at the server, whatever becomes of this command. Exit code 1 where it has ended without success.
    """
    from k1nb.delivery import rollout as operations

    settings = _output.settings()
    policy = _policy(settings, waves, canary, success, errors, sample, soak, approval, pick_up, give_up)
    facts, rollout, planned = _plan(settings, artifact, device, role, policy)
    if not json:
        _show_plan(facts, rollout, planned)
    done = operations.apply(
        settings, facts, rollout, planned, consent=consent, follow_it=follow, on_change=_teller(json=json)
    )
    if json:
        _output.data({**_planned(facts, rollout, planned), "result": done and done.as_dict()})
    elif done is not None:
        _show(done)
    elif planned.steps:
        _output.note(f"nothing was changed; {_consent.how_to_apply(planned)}")
    sys.exit(1 if done is not None and done.standing.failed else 0)


def status(
    rollout: Id = "",
    follow: Follow = False,
    every: Annotated[bool, typer.Option("--all", help="One line for each rollout that the server knows.")] = False,
    json: Json = False,
) -> None:
    """Show how a rollout stands, each device with its outcome; exit code 1 where it has ended without success."""
    from k1nb.delivery import rollout as operations

    settings = _output.settings()
    with _conductor(settings) as conductor:
        if every:
            _list(conductor, json=json)
            return
        progress = operations.find(conductor, rollout)
        if follow:
            progress = _followed(settings, conductor, progress, json=json)
    _end(progress, json=json)


def pause(rollout: Id = "", json: Json = False) -> None:
    """Let a rollout begin nothing more until it is resumed; deployments that are under way go on to their ends."""
    from k1nb.delivery import rollout as operations

    with _conductor(_output.settings()) as conductor:
        progress = operations.pause(conductor, operations.find(conductor, rollout))
    _done(progress, "paused", json=json)


def resume(rollout: Id = "", follow: Follow = False, json: Json = False) -> None:
    """Let a rollout go on that is paused, waits for approval, broke, or has devices pending.

    That approves the wave which waits. Refused where the artifact or the inventory has changed since the plan, and
    where a decision has ended it: plan another one then.
    """
    from k1nb.delivery import rollout as operations

    settings = _output.settings()
    with _conductor(settings) as conductor:
        progress = operations.resume(settings, conductor, operations.find(conductor, rollout))
        if follow:
            progress = _followed(settings, conductor, progress, json=json)
    if follow:
        _end(progress, json=json)
    _done(progress, "resumed", json=json)


def abort(
    rollout: Id = "",
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for whoever reads it later.")] = "",
    json: Json = False,
) -> None:
    """End a rollout for good; deployments that are under way go on to their ends, their rollbacks included."""
    from k1nb.delivery import rollout as operations

    settings = _output.settings()
    _output.refuse_secrets(settings, {"--reason": reason})
    with _conductor(settings) as conductor:
        progress = operations.abort(settings, conductor, operations.find(conductor, rollout), reason)
    _done(progress, "aborted", json=json)


def _conductor(settings: Settings) -> Conductor:
    from k1nb.conductor import Conductor

    return Conductor.from_settings(settings)


def _policy(
    settings: Settings,
    waves: str,
    canary: list[str] | None,
    success: float,
    errors: float,
    sample: int,
    soak: float,
    approval: bool,
    pick_up: str,
    give_up: float,
) -> Policy:
    from k1nb.delivery.rollout import Policy

    return Policy(
        waves=waves,
        canary=tuple(canary or ()),
        success_percent=success,
        error_percent=errors,
        minimum_sample=sample,
        soak_seconds=soak,
        approval=approval,
        parallel=settings.rollout_parallel,
        pick_up=pick_up,
        give_up_days=give_up,
    )


def _plan(
    settings: Settings, artifact: str, devices: list[str] | None, role: Role | None, policy: Policy
) -> tuple[RolloutFacts, Rollout, Plan]:
    from k1nb.delivery import rollout as operations

    selection = operations.Selection(tuple(devices or ()), role.value if role else "")
    facts = operations.observe(settings, artifact, selection)
    return (facts, *operations.plan(facts, policy))


def _planned(facts: RolloutFacts, rollout: Rollout, planned: Plan) -> dict[str, Any]:
    return {
        "plan": planned.as_dict(),
        "artifact_id": facts.artifact.id,
        "waves": [[device.name for device in wave] for wave in rollout.waves],
        "current": [device.name for device in facts.current],
        "silent": [device.name for device in facts.silent],
        "under_way": facts.under_way.rollout.id if facts.under_way else None,
    }


def _show_plan(facts: RolloutFacts, rollout: Rollout, planned: Plan) -> None:
    from k1nb import show

    console = _output.console()
    if facts.under_way is not None:
        return
    show.print_plan(console, planned)
    silent = [device.name for device in facts.silent if rollout.wave_of(device.mac)]
    if silent:
        console.print(f"  do not answer now: {', '.join(silent)}; if so at their turn, they are pending", markup=False)


def _teller(*, json: bool) -> Callable[[Progress], None]:
    """Return a function that prints each device's changes; on stderr where stdout is for JSON."""
    from k1nb import show

    console = _output.console(stderr=json)
    before: list[Progress] = []

    def tell(progress: Progress) -> None:
        show.print_rollout_changes(console, before[-1] if before else None, progress)
        before[:] = [progress]

    return tell


def _followed(settings: Settings, conductor: Conductor, progress: Progress, *, json: bool) -> Progress:
    from k1nb.delivery import rollout as operations

    tell = _teller(json=json)
    last = progress
    for last in operations.follow(settings, conductor, progress.rollout.id):
        tell(last)
    return last


def _list(conductor: Conductor, *, json: bool) -> None:
    from k1nb import show
    from k1nb.delivery import rollout as operations

    found = [operations.read(conductor, one) for one in operations.rollouts(conductor)]
    if json:
        _output.data([progress.as_dict() for progress in found])
    else:
        show.print_rollouts(_output.console(), found)


def _show(progress: Progress) -> None:
    from k1nb import show

    show.print_rollout(_output.console(), progress)


def _end(progress: Progress, *, json: bool) -> None:
    """Print how a rollout stands and end with its exit code."""
    if json:
        _output.data(progress.as_dict())
    else:
        _show(progress)
    sys.exit(1 if progress.standing.failed else 0)


def _done(progress: Progress, what: str, *, json: bool) -> None:
    from k1nb.delivery import rollout as operations

    if json:
        _output.data(progress.as_dict())
        return
    _output.say(f"{progress.rollout.id} {what}: it is {progress.standing.replace('_', ' ')}, {progress.reason}")
    if going := operations.under_way(progress):
        _output.note(f"under way, and going on to their ends: {', '.join(going)}")
