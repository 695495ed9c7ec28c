"""What a plan has to say beside its steps: what is under way on the device, and what was taken back from it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from k1nb.conductor import Conductor, Execution
from k1nb.config import Settings
from k1nb.delivery._deployment import resolve
from k1nb.delivery._past import Past, is_rollback
from k1nb.device import Device
from k1nb.errors import ConductorError, ConductorNotFound, UsageError
from k1nb.firmware import Deployment

PIPELINE = "firmware-ci-cd-pipeline"
DEPLOYMENT = "device-deployment"
HANDLER = "deployment-rollback-handler"
_MOST = 100
"""How many running executions of one workflow are looked at."""


def under_way(settings: Settings, device: Device) -> tuple[Execution, ...]:
    """Return the executions that work on a device now, the outermost of each, newest first.

    None of them where the server cannot be asked.
    """
    # A server that hangs must not hold up a plan: it is asked with the patience that a device gets.
    timings = replace(settings.timings, conductor_request=settings.timings.device_request)
    try:
        with Conductor.from_settings(settings, timings=timings) as conductor:
            found = [each for name in (PIPELINE, DEPLOYMENT, HANDLER) for each in _running(conductor, name)]
    except ConductorError:
        return ()
    ids = {each.id for each in found}
    here = [each for each in found if each.parent_id not in ids and _concerns(settings, each, device)]
    return tuple(sorted(here, key=lambda each: each.started_at.timestamp() if each.started_at else 0.0, reverse=True))


def _running(conductor: Conductor, name: str) -> Iterable[Execution]:
    for execution_id in conductor.all_running_ids(name)[:_MOST]:
        try:
            execution = conductor.execution(execution_id, tasks=False)
        except ConductorNotFound:  # removed since the list was made
            continue
        if not execution.status.terminal:
            yield execution


def _concerns(settings: Settings, execution: Execution, device: Device) -> bool:
    """Tell whether an execution's input names the device; no word of it may break a plan."""
    name, address = execution.input.get("device"), execution.input.get("device_ip")
    try:
        meant = resolve(settings, str(name) if name else None, str(address) if address else None)
    except UsageError:
        return False
    return meant.mac == device.mac


def told(executions: Iterable[Execution], workflow: str, key: str, *, joins: bool) -> list[str]:
    """Say what is under way; `joins` tells whether applying joins the newest of that workflow and natural key."""
    lines: list[str] = []
    for each in executions:
        same = (each.name, each.correlation_id) == (workflow, key)
        what = "this very one" if same else f"{each.name}{_of(each)}"
        after = ", applying joins it" if same and joins else ""
        joins = joins and not same
        status = "" if each.status == "RUNNING" else f" ({each.status})"
        lines.append(f"execution {each.id} is under way on this device{status}: {what}{after}")
    return lines


def _of(execution: Execution) -> str:
    """Name the commit or the artifact that an execution works for, where its input does."""
    words = (execution.input.get(name) for name in ("commit_sha", "artifact_id", "to_artifact_id"))
    return next((f" of {str(word)[:12]}" for word in words if word), "")


def taken_back(rows: Sequence[Deployment], artifacts: Collection[str]) -> str | None:
    """Say that one of these artifacts was taken back from a device when it last had it; `rows` are newest first.

    None where it never had it, where something else replaced it, or where a rollback put it there.
    """
    accepted = Past(rows).accepted
    place = next((n for n, row in enumerate(accepted) if row.artifact_id in artifacts), None)
    if place is None or is_rollback(accepted[place]):
        return None
    row, after = accepted[place], accepted[place - 1] if place else None
    if after is not None and is_rollback(after):
        at, execution_id = after.accepted_at, after.execution_id
    elif row.outcome == "rolled_back":
        at, execution_id = row.updated_at, row.execution_id
    else:
        return None
    proof = next((line for line in reversed(row.evidence) if not line.startswith("outcome ")), "nothing more is known")
    when = f"on {at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{when} execution {execution_id} took it back from this device: grade {row.grade.name}, {proof}"
