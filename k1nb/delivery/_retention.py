"""Which stored artifacts are kept, and the removal of the others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from k1nb.conductor import Conductor, Execution, Schedule, running_executions
from k1nb.config import Settings
from k1nb.device import Inventory
from k1nb.firmware import Artifact, ArtifactStore, Ledger
from k1nb.plan import Plan, Step

_ALL = 1_000_000
"""Running executions that are looked at: one that was left out might work with what is removed."""
_ID = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored artifact and why it is kept; an empty reason means that it is not."""

    artifact: Artifact
    why: str


def in_use(executions: Iterable[Execution]) -> dict[str, str]:
    """Return the artifacts that running executions name anywhere in their inputs and outputs, with which does."""
    found: dict[str, str] = {}
    for execution in executions:
        words = [execution.input, *({"in": task.input, "out": task.output} for task in execution.tasks)]
        for name in _ID.findall(json.dumps(words, default=str)):
            found.setdefault(name, f"execution {execution.id} works with it")
    return found


def scheduled(schedules: Iterable[Schedule]) -> dict[str, str]:
    """Return the artifacts that schedules will start work with, as a rollout's for devices that were offline."""
    return {
        name: f"schedule {schedule.name} will work with it"
        for schedule in schedules
        for name in _ID.findall(json.dumps(dict(schedule.input), default=str))
    }


def on_devices(settings: Settings) -> dict[str, str]:
    """Return the artifacts that devices run or can go back to, with whose they are; the ledger says so."""
    ledger, found = Ledger(settings.paths), dict[str, str]()
    names = {device.mac: device.name for device in Inventory(settings.paths).list()}
    for mac in ledger.macs():
        current, good = ledger.current(mac), ledger.last_good(mac)
        before = ledger.last_good(mac, other_than=good.artifact_id) if good else None
        label = names.get(mac, mac)
        for row, why in ((before, "can go back to it"), (good, "was last healthy with it"), (current, "runs it")):
            if row is not None:
                found[row.artifact_id] = f"{label} {why}"
    return found


def kept(artifacts: Iterable[Artifact], keep: int, wanted: Mapping[str, str]) -> list[Kept]:
    """Return each artifact, newest first, and why it is kept: it is among the `keep` newest, or wanted."""
    ordered = sorted(artifacts, key=lambda artifact: artifact.stored_at, reverse=True)
    newest = f"one of the {keep} newest"
    return [Kept(a, wanted.get(a.id) or (newest if place < keep else "")) for place, a in enumerate(ordered)]


def plan_retention(found: Iterable[Kept], keep: int) -> Plan:
    """Plan to remove what no reason keeps."""
    gone = sorted((each.artifact for each in found if not each.why), key=lambda artifact: artifact.stored_at)
    steps = tuple(Step("remove", f"artifact {a.id[:12]}", f"{_built(a)}, no device's", destructive=True) for a in gone)
    return Plan("retention of artifacts", steps, {"artifacts": [a.id for a in gone], "keep": keep})


def observe_artifacts(settings: Settings, keep: int | None = None, stored: str = "") -> list[Kept]:
    """Ask store, ledger and server what is kept; raises ConductorError where the server does not say what it does."""
    with Conductor.from_settings(settings) as conductor:
        busy = in_use(running_executions(conductor, size=_ALL, paused=True).executions)
        due = scheduled(conductor.schedules())
    wanted = due | busy | on_devices(settings) | ({stored: "just stored"} if stored else {})
    return kept(ArtifactStore(settings.paths).list(), keep or settings.artifact_keep, wanted)


def prune_artifacts(settings: Settings, *, keep: int | None = None, consent: str = "") -> tuple[Plan, list[str]]:
    """Remove what is not kept, if that is consented to; return the plan and the ids of what is gone.

    Raises ConsentError where the consent is to another plan, ConductorError and StorageError.
    """
    plan = plan_retention(observe_artifacts(settings, keep), keep or settings.artifact_keep)
    if not consent or not plan.steps:
        return plan, []
    plan.require(consent)
    return plan, _remove(settings, plan.preconditions["artifacts"])


def retain_artifacts(settings: Settings, stored: str = "") -> list[str]:
    """Remove what the setting `artifact_keep` does not keep, and return the ids; raises as `prune_artifacts`.

    `stored` is the artifact for which there must be room: it stays.
    """
    if len(ArtifactStore(settings.paths).list()) <= settings.artifact_keep:
        return []
    plan = plan_retention(observe_artifacts(settings, stored=stored), settings.artifact_keep)
    return _remove(settings, plan.preconditions["artifacts"])


def _remove(settings: Settings, ids: Iterable[Any]) -> list[str]:
    store = ArtifactStore(settings.paths)
    return [str(each) for each in ids if store.remove(str(each))]


def _built(artifact: Artifact) -> str:
    return f"built from {artifact.version[:12]} for {artifact.environment} on {artifact.stored_at:%Y-%m-%d}"
