"""What a rollout is planned from: the artifact, the inventory, the ledger, and what runs already."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from k1nb._http import run
from k1nb.conductor import Conductor
from k1nb.config import Settings
from k1nb.delivery._deployment import try_readings
from k1nb.delivery.rollout._progress import Progress, read, rollouts
from k1nb.delivery.rollout._rollout import Selection
from k1nb.device import Device, Inventory, Readings
from k1nb.errors import SampleRefused, UnknownName, UsageError
from k1nb.firmware import Artifact, ArtifactStore, Deployment, Grade, Ledger, read_image

AT_ONCE = 16
"""Devices that are asked at once how they are."""


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """What was observed before a rollout."""

    artifact: Artifact
    selection: Selection
    devices: tuple[Device, ...]
    """Those that are meant, as the inventory has them."""
    current: tuple[Device, ...]
    """Those of them that are proven to run the artifact."""
    silent: tuple[Device, ...]
    """Those of them that do not answer now."""
    rows: tuple[int, ...]
    """The newest row of each device in the ledger; 0 where there is none."""
    earlier: tuple[str, ...]
    """Ids of the rollouts of this artifact that have ended."""
    under_way: Progress | None
    """The rollout of this artifact that has not ended."""

    @property
    def ledger(self) -> str:
        """Twelve hex digits over what the ledger has of these devices."""
        return hashlib.sha256(repr(self.rows).encode()).hexdigest()[:12]


def select(settings: Settings, selection: Selection) -> tuple[Device, ...]:
    """Return the devices that are meant, in the inventory's order.

    Raises UnknownName for a name that the inventory does not have, UsageError where nothing is left.
    """
    inventory = Inventory(settings.paths)
    every = inventory.list()
    named = {inventory.get(name).mac for name in selection.devices} or {device.mac for device in every}
    found = tuple(d for d in every if d.mac in named and selection.role in ("", d.role))
    if not found:
        of = f" of role {selection.role}" if selection.role else ""
        raise UsageError(f"the inventory has no such device{of}", hint="look with `k1nb device list`")
    return found


def observe(settings: Settings, artifact: str, selection: Selection | None = None) -> RolloutFacts:
    """Find out what a rollout would start from; `artifact` is an id or its first digits.

    Raises UnknownName or ArtifactError where there is no such image, SampleRefused where a sample image would reach
    what is no simulator, and ConductorError. Silent devices are a fact, no error.
    """
    chosen = selection or Selection()
    if not artifact:
        raise UnknownName("no artifact is named", hint="k1nb artifacts list")
    store = ArtifactStore(settings.paths)
    wanted = store.get(artifact)
    devices = select(settings, chosen)
    _refuse_sample(settings, wanted, devices)
    ledger = Ledger(settings.paths)
    seen = run(look_at, settings, devices)
    newest = [ledger.newest(device.mac) for device in devices]
    earlier, under_way = _rollouts(settings, wanted.id)
    return RolloutFacts(
        artifact=wanted,
        selection=chosen,
        devices=devices,
        current=tuple(d for d in devices if runs(wanted, ledger.current(d.mac), seen[d.mac], d)),
        silent=tuple(d for d in devices if seen[d.mac] is None),
        rows=tuple(row.id if row else 0 for row in newest),
        earlier=earlier,
        under_way=under_way,
    )


def runs(artifact: Artifact, current: Deployment | None, seen: Readings | None, device: Device) -> bool:
    """Tell whether a device is proven to run an artifact: by the ledger, and by what it shows now."""
    if current is None or current.artifact_id != artifact.id or current.grade < Grade.HEALTHY:
        return False
    return seen is not None and seen.mac == device.mac and seen.stamp == artifact.stamp


async def look_at(settings: Settings, devices: Iterable[Device]) -> dict[str, Readings | None]:
    """Return the readings of each device by its MAC; None where it does not answer."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(device: Device) -> tuple[str, Readings | None]:
        async with places:
            return device.mac, await try_readings(settings, device)

    return dict(await asyncio.gather(*map(one, devices)))


def _refuse_sample(settings: Settings, artifact: Artifact, devices: Sequence[Device]) -> None:
    """Raise SampleRefused before anything is planned; each deployment asks for the proof again."""
    if not read_image(ArtifactStore(settings.paths).read(artifact)).is_sample:
        return
    real = next((device for device in devices if device.kind != "simulator"), None)
    if real is not None:
        raise SampleRefused(
            f"sample image {artifact.id[:12]} is not sent to {real.label}: it is no simulator",
            hint="select simulated devices only: k1nb device list",
        )


def _rollouts(settings: Settings, artifact_id: str) -> tuple[tuple[str, ...], Progress | None]:
    """Return the ids of the artifact's rollouts that have ended, and the newest one that has not."""
    with Conductor.from_settings(settings) as conductor:
        known = rollouts(conductor, artifact_id)
        going = next((rollout_id for rollout_id, is_open in known.items() if is_open), None)
        under_way = read(conductor, going) if going else None
    return tuple(sorted(rollout_id for rollout_id, is_open in known.items() if not is_open)), under_way
