"""What a rollout is: an artifact, the waves of devices that get it, and the policy that it keeps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from pydantic import TypeAdapter, ValidationError

from k1nb.device import Device
from k1nb.errors import ConductorRefused, UsageError

WORKFLOW = "fleet-rollout"
DEPLOYMENT = "device-deployment"
FURTHEST = 1000
"""Most waves and most days of a policy: beyond that somebody has mistyped."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a rollout proceeds; raises UsageError for a value that makes no sense."""

    waves: str = "1, 10%, 30%"
    """Sizes of the waves, as numbers of devices or shares of all; what is left over is the last wave."""
    canary: tuple[str, ...] = ()
    """Names of the devices of the first wave, instead of its size."""
    success_percent: float = 50.0
    """Of a wave's devices so many are to run the artifact at least before the next wave begins."""
    error_percent: float = 10.0
    """Of a wave's devices so many may fail at most."""
    minimum_sample: int = 1
    """So many results of a wave are wanted before it is judged; in a smaller wave all of its devices."""
    soak_seconds: float = 300.0
    """From a wave's last result until its devices are looked at again and the gate opens."""
    approval: bool = False
    """Whether a person is asked before each wave but the first."""
    parallel: int = 4
    """Devices that are deployed to at once, at most."""
    pick_up: str = "0 0/30 * * * ?"
    """When pending devices are tried again, in Conductor's six fields of cron."""
    give_up_days: float = 7.0
    """After so many days nothing is tried again."""

    def __post_init__(self) -> None:
        """Refuse what no rollout could keep."""
        for key in ("success_percent", "error_percent"):
            _require(key, getattr(self, key), 0, 100, "a percentage from 0 to 100")
        for key in ("minimum_sample", "parallel"):
            _require(key, getattr(self, key), 1, 1_000_000, "a whole number from 1")
        _require("soak_seconds", self.soak_seconds, 0, 86_400 * 7, "seconds, a week at most")
        _require("give_up_days", self.give_up_days, 0, FURTHEST, f"days, {FURTHEST} at most")
        if len(self.pick_up.split()) != 6:
            raise UsageError(
                f"pick_up {self.pick_up!r} is no time to run at",
                hint="six fields are wanted, seconds first: 0 0/30 * * * ? is every half hour",
            )


def _require(key: str, value: float, low: float, high: float, wanted: str) -> None:
    if not (isfinite(value) and low <= value <= high):
        raise UsageError(f"{key} {value!r} of a rollout is refused", hint=f"give {wanted}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which devices of the inventory are meant: these, or all of a role, or all."""

    devices: tuple[str, ...] = ()
    """Names, MACs or addresses."""
    role: str = ""
    """Empty for every role."""

    def __post_init__(self) -> None:
        """Refuse a role that no device has."""
        if self.role not in ("", "test", "production"):
            raise UsageError(f"role {self.role!r} is refused", hint="give test or production, or nothing for both")


@dataclass(frozen=True, slots=True)
class Rollout:
    """A plan that was consented to; it never changes. Waves are numbered from 1."""

    id: str
    """That of the plan, `plan-…`."""
    artifact_id: str
    version: str
    """Commit that the artifact was built from."""
    waves: tuple[tuple[Device, ...], ...]
    current: tuple[Device, ...] = ()
    """Devices that were proven to run the artifact already when it was planned."""
    selection: Selection = field(default_factory=Selection)
    policy: Policy = field(default_factory=Policy)

    @property
    def key(self) -> str:
        """The natural key of the intent, correlationId of the rollout's executions and of its deployments."""
        return key_of(self.id)

    @property
    def schedule(self) -> str:
        """Name of the schedule that picks pending devices up."""
        return schedule_of(self.id)

    @property
    def devices(self) -> Iterator[Device]:
        """Every device that is to get the artifact, wave by wave."""
        return (device for wave in self.waves for device in wave)

    def wave_of(self, mac: str) -> int | None:
        """Return the number of a device's wave; None where it has none."""
        return next((n for n, wave in enumerate(self.waves, 1) for device in wave if device.mac == mac), None)

    def as_input(self) -> dict[str, Any]:
        """Return the input of the workflow; `consent` is the plan that a person agreed to by its id."""
        return {
            "rollout": self.id,
            "artifact_id": self.artifact_id,
            "consent": self.id,
            "allow_production": any(device.role == "production" for device in self.devices),
            "plan": _ROLLOUT.dump_python(self, mode="json"),
        }

    @classmethod
    def from_input(cls, given: Mapping[str, Any]) -> Rollout:
        """Read what `as_input` wrote; raises ConductorRefused where it is none."""
        try:
            return _ROLLOUT.validate_python(given["plan"])
        except (KeyError, ValidationError, UsageError) as error:
            raise ConductorRefused(
                f"an execution of {WORKFLOW} carries no plan that can be read: {error}",
                status=200,
                hint="start rollouts with `k1nb rollout apply`",
            ) from None


_ROLLOUT = TypeAdapter(Rollout)


def key_of(rollout_id: str) -> str:
    """Return the natural key of a rollout by its id."""
    return f"rollout:{rollout_id}"


def schedule_of(rollout_id: str) -> str:
    """Return the name of the schedule that picks a rollout's pending devices up."""
    return f"rollout-{rollout_id}"


def digest(devices: Sequence[Device]) -> str:
    """Return twelve hex digits over the inventory's entries of these devices: another entry, other digits."""
    entries = sorted(json.dumps(asdict(device), sort_keys=True) for device in devices)
    return hashlib.sha256("\n".join(entries).encode()).hexdigest()[:12]
