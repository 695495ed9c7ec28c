"""Whether a production device may be flashed: by a person's answer that can be read where it was given.

No input of an execution allows anything by itself, for whoever starts one writes it. See docs/adr/0009.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from k1nb.conductor import Conductor, Execution, Gate, gates_of, lineage
from k1nb.config import Settings
from k1nb.delivery._preflight import require_allowed
from k1nb.device import Device
from k1nb.errors import ConsentError
from k1nb.firmware import Grade, Ledger
from k1nb.paths import Paths, write_text
from k1nb.plan import Plan

_FAR = 1000
"""How many deployments of a device are looked at; enough for years."""
LASTS = timedelta(hours=24)
"""How long a consent may be used; whatever else the device accepts meanwhile ends it sooner."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A person's yes to certain artifacts on certain production devices."""

    devices: Mapping[str, str]
    """Artifact ids by MAC."""
    by: str
    at: datetime
    source: str
    """Where it was given: a plan's id, or a gate and its execution."""
    why: str = ""
    lasts: timedelta = LASTS
    revoked: bool = False
    """It was taken back: nothing new is sent, what it was used for may still be rolled back."""

    def __str__(self) -> str:
        """Say who consented to what when."""
        return f"{self.source}, by {self.by} at {self.at:%Y-%m-%d %H:%M:%S} UTC" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """What is about to be sent to which device, by which execution and those that it runs inside of."""

    device: Device
    artifact_id: str
    back: bool
    """Whether it is a rollback."""
    executions: Sequence[Execution] = field(default_factory=tuple)
    """The execution itself, then its parents."""


def who() -> str:
    """Return who works here, as user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def grant(paths: Paths, plan: Plan, devices: Mapping[str, str], why: str = "", *, lasts: timedelta = LASTS) -> Consent:
    """Keep that a plan was consented to, for the artifacts that it puts onto devices, by MAC; raises StorageError.

    Called by whoever has checked the consent, before an execution is started with the plan's id as its input
    `consent`. It is kept in the home of the device's owner, out of reach of whoever can only start executions.
    """
    consent = Consent(dict(devices), who(), datetime.now(UTC), plan.id, why, lasts)
    _keep(paths, plan.id, consent)
    return consent


async def require_consent(
    settings: Settings,
    device: Device,
    artifact_id: str,
    *,
    allow_production: bool,
    execution_id: str,
    back: bool = False,
) -> list[str]:
    """Return the evidence that an execution may send an artifact to a device; nothing for a test device.

    A production device needs `allow_production` and a consent that names it: a gate of the execution, or of one that
    it runs inside of, which a person has answered with yes in time, or the plan that the outermost execution was
    started with. `back` is for a rollback, which may also send what the device was proven healthy with. Raises
    ConsentError without one, ConductorError where the server cannot be asked.
    """
    require_allowed(device, allow_production=allow_production)
    if device.role != "production":
        return []
    executions = await asyncio.to_thread(_lineage, settings, execution_id)
    claim = Claim(device, artifact_id, back, executions)
    faults = []
    for consent in _consents(settings, executions):
        fault = _fault(claim, consent, Ledger(settings.paths))
        if fault is None:
            return [f"allowed by {consent}"]
        faults.append(f"{consent.source} {fault}")
    raise ConsentError(
        f"{device.label} is a production device, and nobody has consented to {artifact_id[:12]} on it"
        + (f": {'; '.join(faults)}" if faults else ""),
        hint="release it with the workflow multi-stage-deployment and approve it, or apply a plan of `k1nb rollback`",
    )


async def require_webapp_consent(settings: Settings, webapp_id: str, *, execution_id: str) -> list[str]:
    """Return the evidence that an execution may put a web app into production.

    That is a gate above it, answered with yes in time, that names this web app. Raises ConsentError without one,
    ConductorError where the server cannot be asked.
    """
    for execution in await asyncio.to_thread(_lineage, settings, execution_id):
        for gate in gates_of(execution):
            given = None if execution.status.terminal else _answer(gate)
            if given and gate.question.get("webapp_artifact") == webapp_id and datetime.now(UTC) - given.at <= LASTS:
                return [f"allowed by {given}"]
    raise ConsentError(
        f"nobody has approved web app {webapp_id[:12]} for production",
        hint="release it with the workflow multi-stage-deployment, and approve it",
    )


def _lineage(settings: Settings, execution_id: str) -> list[Execution]:
    with Conductor.from_settings(settings) as conductor:
        return lineage(conductor, execution_id)


def _consents(settings: Settings, executions: Sequence[Execution]) -> Iterator[Consent]:
    """Yield every consent that executions refer to, whatever it is worth."""
    for execution in executions:
        if not execution.status.terminal:
            yield from (given for gate in gates_of(execution) if (given := _answer(gate)))
    plan_id = executions[-1].input.get("consent") if executions else None
    if isinstance(plan_id, str) and (kept := kept_consent(settings.paths, plan_id)):
        yield kept


def _answer(gate: Gate) -> Consent | None:
    """Return what a gate's answer allows; None where it is no yes, or came too late.

    A gate names one device by `device_mac` and `artifact_id`, or several by `devices`, artifact ids by MAC.
    """
    asked, ended, limit = gate.asked_at, gate.task.ended_at, gate.limit
    question, output = gate.question, gate.task.output
    if not gate.approved or asked is None or ended is None or (limit is not None and ended - asked > limit):
        return None
    several = question.get("devices")
    one = {question.get("device_mac"): question.get("artifact_id")}
    devices = {str(mac): str(artifact) for mac, artifact in (several if isinstance(several, dict) else one).items()}
    source = f"{gate.task.reference} of {gate.execution.name} {gate.execution.id}"
    return Consent(devices, str(output.get("by") or "an unnamed person"), ended, source, str(output.get("why") or ""))


def _fault(claim: Claim, consent: Consent, ledger: Ledger) -> str | None:
    """Say why a consent does not cover what is claimed; None where it does."""
    if claim.device.mac not in consent.devices:
        return f"does not name {claim.device.mac}"
    rows = ledger.history(claim.device.mac, _FAR)
    proven = any(row.artifact_id == claim.artifact_id and row.grade >= Grade.HEALTHY for row in rows)
    if consent.devices[claim.device.mac] != claim.artifact_id and not (claim.back and proven):
        return f"is for artifact {consent.devices[claim.device.mac][:12]}"
    if consent.revoked and not claim.back:
        return "was taken back"
    if datetime.now(UTC) - consent.at > consent.lasts:
        return f"was given more than {consent.lasts.total_seconds() / 3600:.0f} hours ago"
    own = {execution.id for execution in claim.executions}
    if any(row.accepted_at and row.accepted_at > consent.at and row.execution_id not in own for row in rows):
        return "was given before the device accepted something else"
    return None


_CONSENT = TypeAdapter(Consent)


def kept_consent(paths: Paths, plan_id: str) -> Consent | None:
    """Return the consent that was kept for a plan; None without one, or where it cannot be read."""
    try:
        content: dict[str, Any] = json.loads(_file(paths, plan_id).read_text(encoding="utf-8"))
        return _CONSENT.validate_python(content)
    except (OSError, ValueError, ValidationError):
        return None


def revoke(paths: Paths, plan_id: str) -> None:
    """Take the consent to a plan back, where there is one; raises StorageError where that cannot be done."""
    if consent := kept_consent(paths, plan_id):
        _keep(paths, plan_id, replace(consent, revoked=True))


def _keep(paths: Paths, plan_id: str, consent: Consent) -> None:
    write_text(_file(paths, plan_id), _CONSENT.dump_json(consent, indent=1).decode())


def _file(paths: Paths, plan_id: str) -> Path:
    """Return the file of a plan's consent; what is no id, as an input may have it, names one that is not there."""
    plain = plan_id.removeprefix("plan-")
    return paths.consents / (f"plan-{plain}.json" if plain.isalnum() and plain.isascii() else "none")
