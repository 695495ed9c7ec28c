"""What must hold before an image is sent to a device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from k1nb.device import Device, Readings
from k1nb.errors import ConsentError, DeviceError, DeviceNonsense, DeviceUnreachable, SampleRefused
from k1nb.firmware import Artifact, Deployment, Grade, ImageFacts, require_fits


class Decision(StrEnum):
    """What the pre-flight allows."""

    DEPLOY = "deploy"
    NO_OP = "no_op"
    NEEDS_USB = "needs_usb"


@dataclass(frozen=True, slots=True)
class PreflightFacts:
    """What was observed before a deployment; None where the device gave no answer."""

    device: Device
    artifact: Artifact
    image: ImageFacts
    proven_simulator: bool = False
    readings: Readings | None = None
    ota_answers: bool = False
    current: Deployment | None = None
    allow_production: bool = False
    silence: DeviceError | None = None
    """What asking for its readings came to, where there are none."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """The decision with its evidence."""

    decision: Decision
    evidence: list[str]


def decide(facts: PreflightFacts) -> Preflight:
    """Decide whether to deploy.

    Where the answer is no it raises ImageError, SampleRefused, ConsentError, DeviceNonsense, or what the device's
    silence is.
    """
    _refuse(facts)
    readings = facts.readings
    if readings is None:
        raise facts.silence or DeviceUnreachable(
            f"device {facts.device.label} does not answer", hint=f"k1nb device info {facts.device.name}"
        )
    if readings.mac != facts.device.mac:
        raise foreign(facts.device, readings.mac)
    if _runs_already(facts, readings):
        return Preflight(Decision.NO_OP, [f"already runs artifact {facts.artifact.id[:12]}, proven before"])
    seen = [f"answers, up for {readings.uptime_seconds:.0f} s, {readings.fps:.1f} FPS"]
    if not facts.ota_answers:
        return Preflight(Decision.NEEDS_USB, [*seen, "its OTA service does not answer: only USB can flash it"])
    return Preflight(Decision.DEPLOY, [*seen, "its OTA service answers"])


def foreign(device: Device, mac: str) -> DeviceNonsense:
    """Return the error for another device at the address of the one that is meant."""
    return DeviceNonsense(
        f"{device.label} answers with MAC {mac}, the inventory says {device.mac}",
        hint="correct the address in the inventory: k1nb device list",
    )


def _refuse(facts: PreflightFacts) -> None:
    if facts.image.is_sample and not facts.proven_simulator:
        raise SampleRefused(
            f"sample image {facts.artifact.id[:12]} is not sent to {facts.device.label}: it did not prove "
            "itself a simulator",
            hint="build real firmware for this device, or start its simulator with `k1nb up simulator`",
        )
    require_fits(facts.image.size)
    require_allowed(facts.device, allow_production=facts.allow_production)


def require_allowed(device: Device, *, allow_production: bool) -> None:
    """Raise ConsentError where a production device would be flashed without having been allowed."""
    if device.role == "production" and not allow_production:
        raise ConsentError(f"{device.label} is a production device", hint="set allow_production for this deployment")


def _runs_already(facts: PreflightFacts, readings: Readings) -> bool:
    current = facts.current
    if current is None or current.artifact_id != facts.artifact.id or current.grade < Grade.HEALTHY:
        return False
    return readings.stamp == facts.artifact.stamp
