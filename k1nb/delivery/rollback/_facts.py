"""What a rollback starts from."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from k1nb._http import run
from k1nb.conductor import Execution
from k1nb.config import Settings
from k1nb.delivery._deployment import resolve
from k1nb.delivery._last_good import look_back, nothing_good
from k1nb.delivery._past import Goal, Past, Running, goal, running
from k1nb.delivery._preflight import foreign
from k1nb.delivery._remarks import under_way
from k1nb.delivery._turn import require_turn, takes_images
from k1nb.device import Device, prove_simulator
from k1nb.errors import DeviceBusy, DeviceUnreachable, SampleRefused
from k1nb.firmware import SAMPLE_PROJECT, Artifact, ArtifactStore, Deployment, read_image


class Way(StrEnum):
    """How the target gets onto the device."""

    NONE = "none"
    """It is there already."""
    OTA = "ota"
    USB = "usb"
    """The device takes nothing over the air."""


@dataclass(frozen=True, slots=True)
class RollbackFacts:
    """What was observed before a rollback."""

    device: Device
    past: Past
    target: Artifact
    chosen: Goal
    """The target again, with why it is the target."""
    sample: bool
    """Whether the target is sample firmware."""
    ota_answers: bool | None
    """None where that is not known: nothing is to be sent, or another operation has the device."""
    to: str = ""
    """What the operator named, if anything."""
    under_way: tuple[Execution, ...] = ()
    """The executions that work on the device now, as far as the server can be asked."""

    @property
    def runs(self) -> Running:
        """What the device runs now."""
        return running(self.past)

    @property
    def replaced(self) -> Deployment | None:
        """The deployment that would be undone: of what runs, else what the device accepted last."""
        rows = [row for row in self.past.accepted if row.artifact_id == self.runs.artifact_id]
        return rows[0] if rows else self.past.current

    @property
    def way(self) -> Way:
        """How the target gets onto the device."""
        if self.runs.proven and self.runs.artifact_id == self.target.id:
            return Way.NONE
        return Way.USB if self.ota_answers is False else Way.OTA

    @property
    def key(self) -> str:
        """The natural key of the intent, used as correlationId."""
        return f"rollback:{self.device.mac}:{self.target.id}"

    @property
    def ages(self) -> tuple[timedelta | None, timedelta | None]:
        """How long ago the device accepted what it runs, and the target; None where it never did."""
        return _age(self.past, self.runs.artifact_id), _age(self.past, self.target.id)


def _age(past: Past, artifact_id: str | None) -> timedelta | None:
    moments = [row.accepted_at for row in past.accepted if row.artifact_id == artifact_id and row.accepted_at]
    return datetime.now(UTC) - moments[0] if moments else None


def observe(settings: Settings, *, device: str = "", to: str = "") -> RollbackFacts:
    """Find out what a rollback would start from; `to` names another artifact than the last good one.

    Raises UnknownName for an unknown device or artifact, ArtifactError where there is nothing to go back to or its
    image is damaged, SampleRefused where a sample image would reach what is no simulator, and DeviceNonsense where
    another device answers at the address. A silent device is a fact, no error.
    """
    entry = resolve(settings, device or None)
    return replace(run(_observe, settings, entry, to), under_way=under_way(settings, entry))


async def _observe(settings: Settings, device: Device, to: str) -> RollbackFacts:
    store = ArtifactStore(settings.paths)
    past = await look_back(settings, device)
    if past.seen is not None and past.seen.mac != device.mac:
        raise foreign(device, past.seen.mac)
    chosen = Goal(store.get(to).id, "named by the operator") if to else goal(past)
    if chosen is None:
        raise nothing_good(device)
    target = store.get(chosen.artifact_id)
    facts = RollbackFacts(
        device=device,
        past=Past(past.rows, {**past.artifacts, target.id: target}, past.seen),
        target=target,
        chosen=chosen,
        sample=target.project_name == SAMPLE_PROJECT or read_image(store.read(target)).is_sample,
        ota_answers=None,
        to=to,
    )
    if facts.way is Way.NONE:
        return facts
    answers = await _ota(settings, device, past)
    if facts.sample and answers is not False:
        await _prove(settings, device, target, busy=answers is None)
    return replace(facts, ota_answers=answers)


async def _ota(settings: Settings, device: Device, past: Past) -> bool | None:
    try:
        answers = await takes_images(settings, device)
        if not answers:  # one that was just sent something may be in the middle of its restart
            require_turn(settings, past.current, "", device)
    except DeviceBusy:
        return None
    except DeviceUnreachable:  # its name is unknown to the network
        return False
    return answers


async def _prove(settings: Settings, device: Device, target: Artifact, *, busy: bool) -> None:
    """Raise SampleRefused unless the device proves itself a simulator; DeviceUnreachable where it may do so later."""
    with suppress(*([] if busy else [DeviceUnreachable])):  # which proves nothing either
        if device.kind == "simulator" and await prove_simulator(device, settings.paths, settings.timings):
            return
    raise SampleRefused(
        f"sample image {target.id[:12]} is not sent to {device.label}: it did not prove itself a simulator",
        hint="name an artifact of the K1 firmware with --to; for a simulator, see `k1nb status`",
    )
